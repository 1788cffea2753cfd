"""All that is special to kops' bucket: object names and marker bodies, read and written (DESIGN section 2).

Everything that comes in is hostile text until it has passed the grammar here. This module is pure; it knows
nothing of which build is newest, complete or wanted.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from attrs import evolve, field

from kopsversion.errors import InvalidVersionError, UsageError, quoted
from kopsversion.model.bucket import Foreign, Form, Malformed, Named
from kopsversion.model.channel import MASTER, Channel, meant_by
from kopsversion.model.values import frozen
from kopsversion.model.version import BuildVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

OFFICIAL_ROOT = "https://storage.googleapis.com/k8s-staging-kops/kops/releases/"
"""Where kops' CI publishes."""

DEFAULT_STORE = OFFICIAL_ROOT
"""The store that is asked when none is named."""

_PUBLIC_HOST = "https://storage.googleapis.com/"
_HOSTS = ("gs://", _PUBLIC_HOST, "https://storage.cloud.google.com/")

OFFICIAL_CDN_ROOT = "https://dl.k8s.io/ci/kops/kops/releases/"
"""The same place behind Kubernetes' CDN, which serves the root of the bucket k8s-staging-kops below ``ci/kops/``."""

MARKERS = "markers/"
JOBS = "logs/"
"""Where a directory keeps the results of jobs, beside its builds; kops' bucket has none."""
ROOT_MARKERS = "latest"
"""What the names of markers at the root begin with: ``latest.txt`` and ``latest-1.37.txt``, by kops pull 18786."""

MARKER_LIMIT = 1024
"""Bytes. A marker is one URL and a newline; anything larger is an error page (DESIGN section 6)."""

CHECKSUM_LIMIT = 256
"""Bytes of the largest ``.sha256`` file: 64 digits, and a file name as sha256sum writes it."""

UPLOAD_SAMPLE = "linux/amd64/kops.sha256"
"""A file that every build of every era has, to learn the upload times of a whole minor from."""

_REF = re.compile(r"master|v?[0-9][0-9A-Za-z.+-]{0,80}|release-[0-9][0-9.]{0,20}")
_ARTIFACT_PATH = re.compile(
    r"(?:[0-9A-Za-z_+-][0-9A-Za-z._+-]{0,120}/){0,8}[0-9A-Za-z_+-][0-9A-Za-z._+-]{0,120}"
)
_OWN_PORT = {"http": 80, "https": 443}
_ROOT_MARKER = re.compile(r"latest(?:-((?:0|[1-9][0-9]{0,3})\.(?:0|[1-9][0-9]{0,3})))?\.txt")
_MARKER_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,100}")


MAIN = "main"
"""What many repositories call the branch that is master in kops'."""


class Skipped(StrEnum):
    """Kinds of names in a listing that are no build (FAILURES row 22)."""

    EMPTY_SEGMENT = "names with an empty path segment"
    STRAY_FILE = "files outside of a build"
    FOREIGN = "names that are no version"
    ODD_FILE = "files of a build with odd names"
    ODD_MARKER = "files below markers/ with odd names"


# --------------------------------------------------------------------------------------------------
# Object names


def read_build_name(prefix: str) -> BuildVersion | Skipped | None:
    """Read one entry of a listing of the root with delimiter ``/``.

    Parameters:
        prefix: the entry, ending in ``/``, relative to the root.

    Returns:
        The build's version, what kind of debris the name is, or ``None`` for ``markers/`` and ``logs/``.
    """
    if prefix in {MARKERS, JOBS}:
        return None
    name = prefix.removesuffix("/")
    if not name:
        return Skipped.EMPTY_SEGMENT
    if name == prefix:
        return Skipped.STRAY_FILE
    try:
        # A directory is named by the bare version; a leading "v" is only ever debris of another pipeline.
        return Skipped.FOREIGN if name.startswith("v") else BuildVersion.parse(name)
    except InvalidVersionError:
        return Skipped.FOREIGN


def read_number_prefix(prefix: str, parent: str = "") -> str | None:
    """Read one entry of a listing with delimiter ``.``: ``1.`` below the root, ``1.30.`` below ``1.``.

    Parameters:
        prefix: the entry, relative to the root.
        parent: the prefix that was listed; empty for the root.

    Returns:
        The entry without its last dot (``1``, ``1.30``), or ``None`` if it is no such number.
    """
    number = prefix.removeprefix(parent).removesuffix(".")
    return parent + number if re.fullmatch(r"0|[1-9][0-9]{0,8}", number) else None


def build_directory(version: BuildVersion) -> str:
    """Return the prefix of a build's files, relative to the root."""
    return f"{version}/"


def read_artifact_path(name: str, *, version: BuildVersion) -> str | None:
    """Read the name of an object in a build's directory into its path below it.

    Returns:
        The path, or ``None`` for what is no file of a build: placeholders of directories, and names with other
        characters than kops' own have, which are never repeated to a reader.
    """
    path = name.removeprefix(build_directory(version))
    return path if _ARTIFACT_PATH.fullmatch(path) else None


def marker_path(ref: str, name: str) -> str:
    """Return the object name of a marker, relative to the root; ``/latest.txt`` lies there itself."""
    return name[1:] if name.startswith("/") else f"{MARKERS}{ref}/{name}"


def read_marker_path(path: str) -> tuple[str, str] | None:
    """Read ``markers/<ref>/<name>`` or ``latest-1.37.txt`` into ref and name, or ``None`` if it is no marker's."""
    channel = _root_channel(path)
    if channel is not None:
        return channel.ref, channel.root_marker
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != "markers":
        return None
    _, ref, name = parts
    return (ref, name) if _REF.fullmatch(ref) and _MARKER_NAME.fullmatch(name) else None


def is_root_marker(name: str) -> bool:
    """Tell whether an object at the root is a marker, such as ``latest.txt``."""
    return _root_channel(name) is not None


def _root_channel(name: str) -> Channel | None:
    match = _ROOT_MARKER.fullmatch(name)
    if match is None:
        return None
    return Channel(MASTER if match[1] is None else f"release-{match[1]}")


def read_checksum(data: bytes) -> str | None:
    """Read a ``.sha256`` file: 64 hex digits, and perhaps a file name after white space.

    Returns:
        The digits, or ``None`` if it holds anything else.
    """
    match = re.match(rb"([0-9a-f]{64})(?:\s|$)", data)
    return match[1].decode() if match else None


def check_marker_name(name: str) -> str:
    """Return a marker's file name that a user gave, if it can be one.

    Raises:
        UsageError: it is empty, a path, or has other characters than letters, digits, ``.``, ``_``, ``-``; of the
            markers at the root only ``/latest.txt`` and those like ``/latest-1.37.txt`` are known.
    """
    if _MARKER_NAME.fullmatch(name) is None and not (name.startswith("/") and is_root_marker(name[1:])):
        raise UsageError(
            f"{quoted(name)} is not the name of a marker",
            hint="give the file name alone, such as latest-ci.txt or latest-ci-updown-green.txt, "
            "or /latest.txt or /latest-1.37.txt for one beside the builds",
        )
    return name


# --------------------------------------------------------------------------------------------------
# Marker bodies


def known_roots(url: str, *, public_url: str, aliases: Iterable[str] = ()) -> tuple[str, ...]:
    """Return every URL prefix, with a trailing slash, by which a marker may name a build of a store.

    Where kOps publishes is among them whatever the store: a mirror keeps the markers' text (FAILURES row 46).

    Parameters:
        url: the store, as a person would write it, with a trailing slash.
        public_url: where its builds are read from, with a trailing slash.
        aliases: further URLs of the same place, with a trailing slash.

    >>> known_roots("gs://bucket/a/", public_url="http://127.0.0.1:4443/bucket/a/")[:2]
    ('gs://bucket/a/', 'https://storage.googleapis.com/bucket/a/')
    """
    forms: list[str] = []
    official = (OFFICIAL_ROOT, OFFICIAL_ROOT.replace(_PUBLIC_HOST, "gs://"), OFFICIAL_CDN_ROOT)
    for each in (url, public_url, *official, *aliases):
        if each.startswith("gs://"):
            forms += [host + each.removeprefix("gs://") for host in _HOSTS]
        else:
            forms += [each, unquote(each)]
            forms += [unquote(each).removeprefix("file://")] if each.startswith("file://") else []
    return tuple(dict.fromkeys(forms))


def read_marker_body(data: bytes, *, roots: Iterable[str]) -> Named | Foreign | Malformed:
    """Read what a marker holds: a base URL or a version, in one line.

    Damage that leaves no doubt about the meaning is repaired: a missing newline, CRLF, a byte order mark,
    spaces around, doubled slashes, ``%2B`` or a space in place of ``+`` (FAILURES row 16).

    Parameters:
        data: the marker's bytes, or its first `MARKER_LIMIT` + 1.
        roots: the URL prefixes, with a trailing slash, under which builds of the store are known.

    Returns:
        The version, or why there is none. The text itself is in neither.

    Source: DESIGN sections 2 and 6.
    """
    if len(data) > MARKER_LIMIT:
        return Malformed(f"is larger than {MARKER_LIMIT} bytes")
    try:
        text = data.decode("utf-8-sig").strip(" \t\r\n")
    except UnicodeDecodeError:
        return Malformed("is not text")
    if not text:
        return Malformed("is empty")
    if re.match(r"<[!?a-zA-Z]", text):
        return Malformed("is an HTML or XML page")
    if len(text.splitlines()) > 1:
        return Malformed("has more than one line")
    if not text.isprintable():
        return Malformed("holds control characters")
    return _read_url(text, roots=roots) if "://" in text else _read_version(text)


def _read_version(text: str) -> Named | Malformed:
    repaired = re.sub(r"%2B| ", "+", text, count=1, flags=re.IGNORECASE)
    try:
        return Named(_without_v(repaired), Form.TAG if text.startswith("v") else Form.VERSION)
    except InvalidVersionError:
        return Malformed("holds neither a version nor the URL of a build")


def _without_v(text: str) -> BuildVersion:
    """Read a version into the form that names a directory; a second ``v`` is no version."""
    return BuildVersion.parse(str(BuildVersion.parse(text)).removeprefix("v"))


def _read_url(text: str, *, roots: Iterable[str]) -> Named | Foreign | Malformed:
    root, _, name = text.rstrip("/").rpartition("/")
    reading = _read_version(name)
    if isinstance(reading, Malformed) or name.startswith("v"):
        return Malformed("holds a URL that does not end in a version")
    place = _place(root)
    if place is None:
        return Malformed("holds a URL that cannot be read")
    if place not in {_place(known) for known in roots}:
        return Foreign("names a place outside the store")
    return evolve(reading, form=Form.URL)


def _place(root: str) -> tuple[str, str, str] | None:
    """Reduce a root to what tells two of them apart; ``http`` and ``https`` are one place, each at its own port."""
    try:
        parts = urlsplit(root)
        port = parts.port
    except ValueError:
        return None
    scheme = "https" if parts.scheme == "http" else parts.scheme
    host = (parts.hostname or "") + ("" if port in {None, _OWN_PORT.get(parts.scheme)} else f":{port}")
    if parts.username is not None or "?" in root or "#" in root:
        return (scheme, parts.netloc, root)
    return scheme, host, "/".join(segment for segment in parts.path.split("/") if segment)


class BodyFormat(StrEnum):
    """How a marker's body is written."""

    URL = "url"
    VERSION = "version"


def marker_body(version: BuildVersion, *, base_url: str, body_format: BodyFormat = BodyFormat.URL) -> bytes:
    """Write a marker's body as kops does: one line and a newline.

    Parameters:
        version: the build to name.
        base_url: its base URL.
        body_format: the base URL, as kops writes it, or the version alone.
    """
    return (f"{base_url}\n" if body_format is BodyFormat.URL else f"{version}\n").encode()


# --------------------------------------------------------------------------------------------------
# What a user asks for


@frozen
class Selector:
    """What is asked for: the newest build of a channel, or one version.

    Attributes:
        target: the channel, or the version.
        marker: the marker to cross-check, where the question was a marker's URL.
        alias: what was asked for, where it is no name of kops' own: ``main``, which is read as master.
        root: what that URL has before ``markers/``; hostile.
    """

    target: Channel | BuildVersion
    marker: str | None = None
    alias: str | None = None
    root: str | None = field(default=None, eq=False)

    def is_in(self, roots: Iterable[str]) -> bool:
        """Tell whether the question may be asked of a store with these roots: a marker's URL leads to one place."""
        return self.root is None or _place(self.root) in {_place(root) for root in roots}

    @property
    def channel(self) -> Channel | None:
        """The channel; ``None`` when a version is asked for."""
        return self.target if isinstance(self.target, Channel) else None

    def __str__(self) -> str:
        return str(self.target)


def read_selector(text: str) -> Selector:
    """Read what kops' scripts ask for (DESIGN section 9).

    Parameters:
        text: ``master``, ``latest``, ``release-1.30``, ``1.30``, a version, or the URL of a marker such as
            ``https://…/markers/master/latest-ci.txt`` or ``https://…/latest-1.37.txt``, which names the channel and
            the marker to cross-check; the URL of a tag's marker names that version. ``main`` is read as master.

    Raises:
        UsageError: it is none of these.
    """
    if "://" in text:
        return _read_marker_url(text)
    if text == MAIN:
        return Selector(Channel(MASTER), alias=MAIN)
    with suppress(UsageError):  # channels first: what is no version costs more to refuse
        return Selector(Channel.parse(text))
    try:
        return Selector(_without_v(text))
    except InvalidVersionError as error:
        form = (
            "ask for master (or latest), a release branch such as release-1.30 (or 1.30), a version "
            "such as 1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643, or the URL of a marker"
        )
        raise UsageError(
            f"{quoted(text)} is neither a channel nor a version", hint=f"{meant_by(text)} {form}".strip()
        ) from error


def _read_marker_url(text: str) -> Selector:
    head, slash, tail = text.rpartition("/markers/")
    path = f"markers/{tail}"
    if not slash:
        head, _, path = text.rpartition("/")
    parts = read_marker_path(path) if head and not head.endswith(":/") else None
    if parts is None:
        raise UsageError(
            f"{quoted(text)} is not the URL of a marker",
            hint="the URL of a marker ends in /markers/<branch>/<name>.txt, /latest.txt or /latest-1.37.txt, as in "
            f"{OFFICIAL_ROOT}markers/master/latest-ci.txt",
        )
    ref, name = parts
    try:
        # A tag's marker is written once, by the build of that tag: what it names is the tag's version.
        return Selector(_without_v(ref), root=f"{head}/")
    except InvalidVersionError:
        return Selector(Channel.parse(ref), marker=name, root=f"{head}/")
