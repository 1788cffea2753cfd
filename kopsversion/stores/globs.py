"""GCS's glob language, for stores that do not know it and servers that ignore it (pure).

Source: Cloud Storage JSON API, ``matchGlob`` of ``objects.list``: ``*`` and ``?`` stay within a segment,
``**`` does not, ``[a-z]`` and ``[!a-z]`` are sets, ``{a,b}`` alternatives, a backslash makes the next
character literal. A bracket or brace that is never closed stands for itself.

This module must not know what the names are of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = re.compile(r"[*?\[\]{}\\]")
_TOKEN = re.compile(
    r"(?P<anywhere>\*\*+)|(?P<segment>\*)|(?P<one>\?)"
    r"|\[(?P<negated>[!^]?)(?P<set>\]?[^\]]*)\]"
    r"|\{(?P<alternatives>[^{}]*)\}"
    r"|\\(?P<escaped>.)|(?P<literal>.)",
    re.DOTALL,
)


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a whole name matches `pattern`; an empty one matches all."""
    if not pattern:
        return lambda _name: True
    expression = re.compile(_translated(pattern), re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def is_literal(text: str) -> bool:
    """Tell whether `text` has no character that means something in a glob."""
    return _SPECIAL.search(text) is None


def _translated(pattern: str) -> str:
    return "".join(_expression(token) for token in _TOKEN.finditer(pattern))


def _expression(token: re.Match[str]) -> str:
    kind = token.lastgroup
    if kind == "anywhere":
        return ".*"
    if kind == "segment":
        return "[^/]*"
    if kind == "one":
        return "[^/]"
    if kind == "set" and token["set"]:
        return f"(?!/)[{'^' if token['negated'] else ''}{_escaped_set(token['set'])}]"
    if kind == "alternatives":
        return f"(?:{'|'.join(_translated(each) for each in token['alternatives'].split(','))})"
    return re.escape(token["escaped"] or token["literal"] or token[0])


def _escaped_set(members: str) -> str:
    """Keep ranges, and only ranges that are in order; all else is literal."""
    parts = []
    rest = members
    while rest:
        if rest[1:2] == "-" and rest[2:3] >= rest[0]:
            parts.append(f"{re.escape(rest[0])}-{re.escape(rest[2])}")
            rest = rest[3:]
        else:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
    return "".join(parts)
