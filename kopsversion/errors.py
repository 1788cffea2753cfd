"""Every error that kopsversion raises, and the data of each (DESIGN section 8).

::

    KopsVersionError                    exit code
    ├── UsageError                      2   an argument or setting that is not valid
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

    >>> try:
    ...     resolve_latest("release-1.20", store=store, now=NOW)
    ... except KopsVersionError as error:
    ...     print(error, error.exit_code)
    there is no build of release-1.20 in mem://bucket/ 1

    Parameters:
        message: one sentence that names the offending value.
        hint: what the reader can do next; may be empty.
        reasons: one clause for each cause, the most important first.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reasons = tuple(reasons)
        # Python shows notes below the sentence where nobody catches the error, as in the log of a harness.
        for reason in self.reasons:
            self.add_note(f"- {reason}")
        if hint:
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # By default an exception is pickled as a call of its class with `args`, which lack the keyword-only data.
        return _unfilled, (type(self), self.args), vars(self)


def _unfilled(kind: type[KopsVersionError], arguments: tuple[object, ...]) -> KopsVersionError:
    """Make an error whose attributes are filled in afterwards."""
    return kind.__new__(kind, *arguments)


class UsageError(KopsVersionError):
    """An argument, option or setting that is not valid.

    >>> try:
    ...     resolve_latest("master", store=store, now="yesterday")
    ... except UsageError as error:
    ...     print(error, "-", error.hint)
    now is 'yesterday', of type str - give a datetime with tzinfo=UTC
    """

    exit_code = 2


class InvalidVersionError(UsageError, ValueError):
    """Text that is not a kOps version (DESIGN section 3).

    >>> try:
    ...     BuildVersion.parse("1.29")
    ... except InvalidVersionError as error:
    ...     print(error.position, error.expected)
    4 a release such as 1.30.0-beta.2

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

    >>> try:
    ...     resolve_latest("release-1.20", store=store, now=NOW)
    ... except ResolutionError as error:
    ...     print(error.channel, error.exit_code)
    release-1.20 1

    Parameters:
        channel: the channel or version that was asked for.
    """

    def __init__(self, message: str, *, channel: str, reasons: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint, reasons=reasons)
        self.channel = channel


class NoTestableBuildError(ResolutionError):
    """No build of the channel is testable (DESIGN section 5).

    >>> for distance in (1, 2, 3):
    ...     store.remove(f"{master_version(distance)}/linux/arm64/nodeup")
    >>> try:
    ...     resolve_latest("master", store=store, now=NOW)
    ... except NoTestableBuildError as error:
    ...     print(error.reasons[0])
    1.30.0-alpha.2+v1.30.0-alpha.1-3-g0000000003: linux/arm64/nodeup is missing
    """


class MarkerRefusedError(ResolutionError):
    """No marker could be used, and ``on_stale=refuse`` forbids the fallback (DESIGN section 7).

    >>> policy = Policy(markers=("mine.txt",), on_stale=OnStale.REFUSE)
    >>> try:
    ...     resolve_latest("master", store=store, now=NOW, policy=policy)
    ... except MarkerRefusedError as error:
    ...     print(error.channel, error.reasons)
    master ('markers/master/mine.txt is missing: it does not exist',)
    """


class BisectionError(ResolutionError):
    """A bisection has nothing to find, because an end is not what it was said to be, or its test stopped it.

    >>> bisect(master_version(1), "newest", test=lambda build: True, store=store, now=NOW)
    Traceback (most recent call last):
        ...
    kopsversion.errors.BisectionError: BAD, 1.30.0-alpha.2+v1.30.0-alpha.1-3-g0000000003, is good
    hint: name another one, let --expand look further out, or see whether the test tests what it should
    """


class PromotionRefusedError(ResolutionError):
    """A marker may not be moved to that build: it is not testable, of another channel, or older.

    >>> issubclass(PromotionRefusedError, ResolutionError), PromotionRefusedError.exit_code
    (True, 1)
    """


class GitFault(Enum):
    """Why a clone of kops could not be read (DESIGN section 4, witness 1).

    >>> try:
    ...     resolve_latest("master", store=store, now=NOW, repo=Path("not-a-clone"))
    ... except GitWitnessError as error:
    ...     print(error.kind)
    GitFault.NOT_A_REPOSITORY
    """

    NO_GIT = "no-git"
    """There is no ``git`` in PATH."""
    NOT_A_REPOSITORY = "not-a-repository"
    """The directory is in no repository, or does not exist."""
    NOT_KOPS = "not-kops"
    """It is a repository of something else."""
    NO_REF = "no-ref"
    """It has no such branch."""
    REFUSED = "refused"
    """Git does not trust the repository's owner (``safe.directory``)."""
    TIMEOUT = "timeout"
    """Git took longer than there was time."""
    FAILED = "failed"
    """Git failed in another way."""
    NOT_FETCHED = "not-fetched"
    """It is a URL, and nothing could be fetched from there, or kept."""
    TOO_LARGE = "too-large"
    """The server sends trees and files too, and was stopped."""


class GitWitnessError(KopsVersionError):
    """A clone of kops could not be read: fatal only where the user named the clone.

    >>> resolve_latest("master", store=store, now=NOW, repo=Path("not-a-clone"))
    Traceback (most recent call last):
        ...
    kopsversion.errors.GitWitnessError: 'not-a-clone' is not a directory
    hint: name a clone of https://github.com/kubernetes/kops with --repo, or that URL itself

    Parameters:
        kind: the cause.
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

    >>> store.add(f"{answer.version}/linux/amd64/kops", b"something else")
    >>> try:
    ...     fetch_kops(store, answer.version, path=Path("kops"), platform="linux/amd64")
    ... except IntegrityError as error:
    ...     print(error.expected[:8], error.actual[:8])
    c8ca50ef f41f3fa6

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

    >>> store.fail("list *")
    >>> try:
    ...     store.list("1.30.")
    ... except StoreError as error:
    ...     print(error.url, error.transient, error.exit_code)
    mem://bucket/ True 4

    Parameters:
        url: what was asked for.
        transient: asking again may help.
        retry_after: seconds that the server asks to wait before the next try, where it said so.
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
    """The object or bucket does not exist.

    >>> store.read("markers/master/nothing.txt", limit=1024)
    Traceback (most recent call last):
        ...
    kopsversion.errors.ObjectNotFoundError: 'markers/master/nothing.txt' does not exist
    """


class AccessDeniedError(StoreError):
    """The store exists and refuses access (401, 403, file permissions).

    >>> store.fail("*", AccessDeniedError("HTTP 403 for mem://bucket/", url="mem://bucket/"))
    >>> store.read("markers/master/latest-ci.txt", limit=1024)
    Traceback (most recent call last):
        ...
    kopsversion.errors.AccessDeniedError: HTTP 403 for mem://bucket/
    """


class MalformedResponseError(StoreError):
    """The store answered with something that is not what its protocol promises.

    >>> store.fail("*", MalformedResponseError("the listing is no JSON", url="mem://bucket/"))
    >>> store.list("1.30.")
    Traceback (most recent call last):
        ...
    kopsversion.errors.MalformedResponseError: the listing is no JSON
    """


class StoreUnavailableError(StoreError):
    """The store cannot be reached, is overloaded, or did not answer before the deadline.

    >>> store.fail("*")
    >>> try:
    ...     resolve_latest("master", store=store, now=NOW)
    ... except StoreUnavailableError as error:
    ...     print(error.exit_code, error.hint)
    4 see whether the store can be reached, or allow the last good answer with --state and --allow-cached
    """


class PreconditionFailedError(StoreError):
    """The object changed between reading and writing it: somebody else was first.

    >>> try:
    ...     store.write("latest.txt", b"", if_generation="1", cache_control="", metadata={})
    ... except PreconditionFailedError as error:
    ...     print(error, error.exit_code)
    'latest.txt' has changed 5
    """

    exit_code = 5
