"""Every error that kopsversion raises, and what each carries (DESIGN section 8).

::

    KopsVersionError                    exit code
    ├── UsageError                      2   an argument or setting that cannot be meant
    │   └── InvalidVersionError         2   (also a ValueError) text that is not a kOps version
    ├── ResolutionError                 1   the question was understood and has no answer
    │   ├── NoTestableBuildError        1
    │   ├── MarkerRefusedError          1   on_stale=refuse, and no marker could be used
    │   ├── BisectionError              1   a bisection has nothing to find, or its test stopped it
    │   └── PromotionRefusedError       1   the marker may not be moved to that build
    ├── GitWitnessError                 2   a clone of kops could not be read
    ├── IntegrityError                  5   what is there is not what was promised
    └── StoreError                      4   the store could not be asked
        ├── ObjectNotFoundError
        ├── AccessDeniedError
        ├── MalformedResponseError
        ├── StoreUnavailableError
        └── PreconditionFailedError     5   somebody else wrote first

Each has its data as attributes; ``str()`` is one sentence that names the offending value, and
``hint`` says what to do next. This module knows nothing of the rest of the package.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 120


def quoted(text: str) -> str:
    """Show untrusted text in one harmless line: ASCII, escaped, at most 120 characters of it."""
    shown = ascii(text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}… ({len(text)} characters)"


class KopsVersionError(Exception):
    """Anything that kopsversion refuses to do or could not do.

    Parameters:
        message: one sentence that names the offending value.
        hint: what the reader can do next; may be empty.
        reasons: one clause for each thing that stood in the way, most telling first.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is pickled and copied as a call of its class with `args`, which keyword-only data is not in.
        return _unfilled, (type(self), self.args), vars(self)


def _unfilled(kind: type[KopsVersionError], arguments: tuple[object, ...]) -> KopsVersionError:
    """Make an error whose attributes are filled in afterwards."""
    return kind.__new__(kind, *arguments)


class UsageError(KopsVersionError):
    """An argument, option or setting that cannot be meant."""

    exit_code = 2


class InvalidVersionError(UsageError, ValueError):
    """Text that is not a kOps version (DESIGN section 3).

    Parameters:
        text: what was given, untouched.
        position: index of the first character that does not fit.
        expected: what would have fitted there.
    """

    def __init__(self, text: str, *, position: int, expected: str) -> None:
        super().__init__(
            f"{quoted(text)} is not a kOps version: expected {expected} at character {position + 1}",
            hint="versions look like 1.29.0-alpha.3 or 1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643",
        )
        self.text = text
        self.position = position
        self.expected = expected


class ResolutionError(KopsVersionError):
    """The question was understood, the store answered, and there is no build to name.

    Parameters:
        channel: the channel or version that was asked for.
    """

    def __init__(self, message: str, *, channel: str, reasons: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint, reasons=reasons)
        self.channel = channel


class NoTestableBuildError(ResolutionError):
    """No build of the channel is testable (DESIGN section 5)."""


class MarkerRefusedError(ResolutionError):
    """No marker could be used, and ``on_stale=refuse`` forbids the fallback (DESIGN section 7)."""


class BisectionError(ResolutionError):
    """A bisection has nothing to find, because an end is not what it was said to be, or its test stopped it."""


class PromotionRefusedError(ResolutionError):
    """A marker may not be moved to that build: it is not testable, of another channel, or older."""


class GitFault(Enum):
    """Why a clone of kops could not be read (DESIGN section 4, witness 1)."""

    NO_GIT = "no-git"
    NOT_A_REPOSITORY = "not-a-repository"
    NOT_KOPS = "not-kops"
    NO_REF = "no-ref"
    REFUSED = "refused"
    """Git does not trust the repository's owner (``safe.directory``)."""
    TIMEOUT = "timeout"
    FAILED = "failed"
    NOT_FETCHED = "not-fetched"
    """It is a URL, and nothing could be fetched from there, or kept."""
    TOO_LARGE = "too-large"
    """The server sends trees and files too, and was stopped."""


class GitWitnessError(KopsVersionError):
    """A clone of kops could not be read: fatal only where the user named the clone.

    Parameters:
        kind: what stood in the way.
        repo: the directory that was looked at.
    """

    exit_code = 2

    def __init__(self, message: str, *, kind: GitFault, repo: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.repo = repo

    @property
    def is_wrong_repo(self) -> bool:
        """Whether the directory is not a clone of kops, so that naming it was a mistake."""
        return self.kind in {GitFault.NOT_A_REPOSITORY, GitFault.NOT_KOPS}


class IntegrityError(KopsVersionError):
    """A checksum, a lock file or a download is not what was promised.

    Parameters:
        subject: the object, file or field that differs.
        expected: what it should have been.
        actual: what it is.
    """

    exit_code = 5

    def __init__(
        self, message: str, *, subject: str = "", expected: str = "", actual: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.subject = subject
        self.expected = expected
        self.actual = actual


class StoreError(KopsVersionError):
    """The store could not be asked, or answered with something unusable.

    Parameters:
        url: what was asked for.
        transient: asking again may help.
        retry_after: seconds after which the server wants to be asked again, where it said so.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        url: str,
        transient: bool = False,
        retry_after: float | None = None,
        hint: str = "",
        reasons: Sequence[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, reasons=reasons)
        self.url = url
        self.transient = transient
        self.retry_after = retry_after


class ObjectNotFoundError(StoreError):
    """The object or bucket does not exist."""


class AccessDeniedError(StoreError):
    """The store exists and does not let us in (401, 403, file permissions)."""


class MalformedResponseError(StoreError):
    """The store answered with something that is not what its protocol promises."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached, is overloaded, or ran into the deadline."""


class PreconditionFailedError(StoreError):
    """The object changed between reading and writing it: somebody else was first."""

    exit_code = 5
