"""A page in Chromium, in a frame as wide as a phone or a wall, measured by a script.

Where Chromium or axe-core is not installed the tests skip with a reason.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import html5lib
import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
"""Where axe-core lies: ``npm install axe-core``, or the variable ``AXE_CORE``."""

MEASURE = """
addEventListener("load", () => {
parent.document.body.getBoundingClientRect();  // so that this frame has its width
const boxes = [], problems = [], width = innerWidth;
const near = (a, b) => a > b + 1.5;
const shown = element => getComputedStyle(element).visibility !== "hidden";
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (!node.data.trim() || !shown(node.parentElement)) continue;
  if (node.parentElement.closest("style,title,.hidden,thead,.label,.badge,.icon,.earlier,.axis")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects())
    if (box.width > 1 && box.right > 0) boxes.push({box, text: node.data.trim()});
}
for (const {box, text} of boxes)
  if (near(box.right, width) || near(0, box.left)) problems.push(`"${text}" sticks out`);
for (let i = 0; i < boxes.length; i++)
  for (let j = i + 1; j < boxes.length; j++) {
    const [a, b] = [boxes[i].box, boxes[j].box];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 1.5 && y > 3) problems.push(`"${boxes[i].text}" and "${boxes[j].text}" overlap`);
  }
for (const cell of document.querySelectorAll("td span:not(.any):not(.code)"))
  for (const node of cell.querySelectorAll("a, time").length ? [] : cell.childNodes)
    for (const word of node.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) problems.push(`"${word[0]}" is broken`);
    }
let cut = 0;
for (const label of document.querySelectorAll(".label")) {
  const box = label.getBoundingClientRect(), track = label.closest(".drawing").getBoundingClientRect();
  if (near(box.right, track.right) || near(track.left, box.left))
    problems.push(`label ${label.textContent} sticks out`);
  if (label.scrollWidth > label.clientWidth + 1) cut++;
}
if (document.documentElement.scrollWidth > width) problems.push("the page scrolls sideways");
let tips = 0;
for (const tip of document.querySelectorAll(".tip, .builds p")) {
  const box = tip.getBoundingClientRect();
  if (near(box.right, width) || near(0, box.left)) problems.push(`tip ${tip.textContent} sticks out`);
  tips++;
}
const visible = [...document.querySelectorAll(".tip, .builds p")].filter(shown).length;
const stops = Math.max(0, ...[...document.querySelectorAll(".lane")].map(
  lane => lane.querySelectorAll("a[href], input, [tabindex]").length));
let listed = 0;
for (const list of document.querySelectorAll(".as-list")) {
  list.checked = true;
  for (const build of list.closest(".lane").querySelectorAll(".builds p")) {
    const box = build.getBoundingClientRect();
    if (!shown(build)) problems.push(`${build.textContent} is not listed`);
    if (near(box.right, width) || near(0, box.left)) problems.push(`${build.textContent} sticks out of its list`);
    listed++;
  }
}
const age = document.querySelector("#age");
const result = {width, texts: boxes.length, tips, visible, cut, stops, listed, problems,
                age: age && !age.hidden ? age.textContent : "",
                page: getComputedStyle(document.body).backgroundColor};
parent.document.querySelector("pre").textContent = JSON.stringify(result);
});
"""
RUN_AXE = """
addEventListener("load", () => {
  parent.document.body.getBoundingClientRect();
  axe.run(document, {resultTypes: ["violations"]}).then(found => {
    const problems = found.violations.map(each => `${each.id}: ${each.nodes[0].html.slice(0, 200)}`);
    parent.document.querySelector("pre").textContent = JSON.stringify({problems, passes: found.passes.length});
  });
});
"""
FRAME = """<!DOCTYPE html>
<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>a frame</title>
<pre></pre>
<iframe sandbox="allow-scripts allow-same-origin" style="width: {width}px; height: 900px; border: 0"
 srcdoc="{page}"></iframe>
"""
"""Prow's lens shows a page in a sandboxed frame; no window of Chromium is as narrow as a phone."""


def browse(
    page: str, tmp_path: Path, *, width: int, dark: bool = False, script: str = MEASURE
) -> dict[str, Any]:
    """Open a page in Chromium, in a frame as wide as that, and return what the script measures."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    allowed = re.sub(r"<meta http-equiv[^>]+>", "", page)  # which forbids the measuring script
    measured = allowed.replace("</body>", f"<script>{script}</script></body>")
    path = tmp_path / "page.html"
    path.write_text(FRAME.format(width=width, page=html.escape(measured)))
    scheme = [f"--blink-settings=preferredColorScheme={int(not dark)}"]
    done = subprocess.run(
        [
            *(CHROMIUM, *FLAGS, *scheme, f"--user-data-dir={tmp_path / 'profile'}"),
            *(
                f"--window-size={width + 100},1000",
                "--virtual-time-budget=20000",
                "--dump-dom",
                path.as_uri(),
            ),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    body = html5lib.parse(done.stdout, namespaceHTMLElements=False)
    found = body.find(".//pre")
    assert found is not None
    assert found.text, done.stderr[-200:]
    result: dict[str, Any] = json.loads(found.text)
    return result


def axe(page: str, tmp_path: Path, *, width: int, dark: bool = False) -> dict[str, Any]:
    """Open a page in Chromium, and return what axe-core has against it."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm install axe-core, or set AXE_CORE to its axe.min.js")
    return browse(page, tmp_path, width=width, dark=dark, script=f"{AXE.read_text()}\n{RUN_AXE}")
