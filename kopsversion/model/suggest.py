"""What somebody probably meant who typed something that does not exist.

Pure. It must not know what is typed: a command, an option, a value or a channel. Where nothing is close it suggests
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["closest", "did_you_mean", "distance"]

_SHORTEST = 3
"""Letters of the shortest word that is compared: below it, everything is close to everything."""


def distance(one: str, other: str) -> int:
    """Count the typing errors between two words: a letter too many, too few, a wrong one, or two that changed places.

    >>> distance("mastr", "master"), distance("relase", "release"), distance("ilst", "list")
    (1, 1, 1)
    """
    rows: list[Sequence[int]] = [range(len(other) + 1)]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


def closest(text: str, known: Iterable[str]) -> str | None:
    """Return what a text was probably meant to be; ``None`` where nothing is close, or two are equally so.

    Parameters:
        text: what was typed.
        known: what there is.
    """
    typed = text.casefold()
    if len(typed) < _SHORTEST:
        return None
    ranked = sorted((distance(typed, each.casefold()), each) for each in dict.fromkeys(known))
    if not ranked or ranked[0][0] > _allowed_errors(min(len(typed), len(ranked[0][1]))):
        return None
    if len(ranked) > 1 and ranked[1][0] == ranked[0][0]:
        return None
    return ranked[0][1]


def _allowed_errors(length: int) -> int:
    """Return how many typing errors a word of that length may have: one in four letters, three at most."""
    return min(3, max(1, length // 4)) if length >= _SHORTEST else 0


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return the question "did you mean …?", as the beginning of a hint; empty where nothing is close."""
    found = closest(text, known)
    return "" if found is None else f"did you mean {found}?"
