"""What ``--repo`` may be: a directory, or the URL of a repository. A URL is hostile text until it has passed here.

Git takes more for a URL than the web does: ``ext::sh -c …`` runs a program, and what begins with a dash is an option.
Only a URL of one of five protocols, with a host and a path, is accepted.
"""

from __future__ import annotations

import re
from pathlib import Path

from kopsversion.errors import UsageError, quoted
from kopsversion.model.advice import REPO_OPTION
from kopsversion.model.values import frozen

__all__ = ["PROTOCOLS", "CloneUrl", "Repo", "parse_repo"]

PROTOCOLS = ("https", "http", "ssh", "git", "file")
"""The protocols by which git may fetch."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*)"
_PATH = r"/[^/\\?#\s][^\\?#\s]*"
_FORMS = {
    "https": re.compile(rf"{_HOST}(?::[0-9]+)?{_PATH}"),
    "http": re.compile(rf"{_HOST}(?::[0-9]+)?{_PATH}"),
    "git": re.compile(rf"{_HOST}(?::[0-9]+)?{_PATH}"),
    "ssh": re.compile(rf"(?:{_USER}@)?{_HOST}(?::[0-9]+)?{_PATH}"),
    "file": re.compile(_PATH),
}
"""What may follow ``<protocol>://``. No password: it would be seen by others, and kops is public."""

_SCP = re.compile(rf"{_USER}@{_HOST}:(?![-/]){_PATH[1:]}")
"""``git@github.com:kubernetes/kops.git``, which is ssh."""

_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_LONGEST = 1000  # characters


@frozen
class CloneUrl:
    """The URL of a repository that git can fetch from; made by `parse_repo`, which checks it.

    Attributes:
        text: the URL.
        cache: where what is fetched is kept; ``None`` for the user's cache directory.
    """

    text: str
    cache: Path | None = None

    def __str__(self) -> str:
        return self.text


Repo = Path | str | CloneUrl
"""A clone of kops, as a user names it; a text is a directory or a URL."""


def parse_repo(text: str) -> Path | CloneUrl:
    """Read what a user names as a clone of kops.

    Parameters:
        text: a directory, or a URL.

    Raises:
        UsageError: it looks like a URL or an option, and is not a URL that git may fetch from.
    """
    if not text or text.startswith("-"):
        raise _refused(text, "is neither a directory nor a URL")
    scheme = _SCHEME.match(text)
    if scheme is None:
        if _HELPER.match(text) and not _exists(text):
            raise _refused(text, "names a program that git would run, not a repository")
        is_url = _SCP.fullmatch(text) is not None and not _exists(text)
        return CloneUrl(text) if is_url else Path(text)
    protocol, rest = scheme[1], text[scheme.end() :]
    if protocol not in PROTOCOLS:
        raise _refused(text, f"has a protocol that is not allowed; allowed are {', '.join(PROTOCOLS)}")
    if "@" in rest.partition("/")[0] and protocol != "ssh":
        raise _refused(text.replace(rest.partition("@")[0], "...", 1), "holds a user name or a password")
    if not (_FORMS[protocol].fullmatch(rest) and text.isascii() and text.isprintable()):
        raise _refused(text, "is not the URL of a repository")
    if _CONTROL.search(rest) or len(text) > _LONGEST:
        raise _refused(text, "is not the URL of a repository")
    return CloneUrl(text)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or a null byte
        return False


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"{quoted(text)} {why}",
        hint=f"name a directory, or the URL of a clone of kops, as in {REPO_OPTION}",
    )
