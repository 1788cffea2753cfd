(() => {
  const checked = document.getElementById("checked"), age = document.getElementById("age");
  const seconds = (Date.now() - Date.parse(checked.dateTime)) / 1000;
  if (!(seconds > 2 * age.dataset.interval)) return;
  const [length, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"]].find(([each]) => seconds >= 2 * each) || [60, "minute"];
  age.textContent = `This page is ${Math.floor(seconds / length)} ${unit}s old: the check may have stopped.`;
  age.hidden = false;
})();
