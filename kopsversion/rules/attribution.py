"""Which branch a build is of: the git, version and lineage witnesses (DESIGN section 4).

All branches of kops share one directory. Most names can be of one branch only. The exception lies between the cut of
``release-X.Y`` and the moment at which master goes on to the next minor. There both branches build ``X.Y.0-beta``
names, often with the same tag, and only a clone of kops is certain. Without one, `lineage` is asked: each branch
moves forward in precedence and in time, and a branch's own marker names one of its builds.

Pure. It must not know whether a build is testable, what a marker is worth, or which channel was asked for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kopsversion.model.bucket import Build, CommitPlace
from kopsversion.model.channel import MASTER, Attribution, Certainty, Witness
from kopsversion.model.values import frozen
from kopsversion.model.version import ALPHA, FINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from kopsversion.model.bucket import GitLine
    from kopsversion.model.version import BuildVersion

__all__ = [
    "BranchEvidence",
    "attribute",
    "by_git",
    "by_name",
    "by_version",
    "is_shared",
    "needs_evidence",
    "rivals",
]


@frozen(kw_only=True)
class BranchEvidence:
    """What markers and builds say about the branches of one minor. The defaults say nothing.

    Attributes:
        release_named: what the release branch's ``latest-ci.txt`` names; ``None`` where that is not known.
        release_exists: whether the release branch has markers; ``None`` where that is not known.
        master_named: what master's ``latest-ci.txt`` names, of any minor; ``None`` where that is not known.
        master_left: when master had built a later minor, UTC: an upper bound; ``None`` where that is not known.
        master_tested, release_tested: what other markers of the two name, as far as they were read.
    """

    release_named: BuildVersion | None = None
    release_exists: bool | None = None
    master_named: BuildVersion | None = None
    master_left: datetime | None = None
    master_tested: frozenset[BuildVersion] = frozenset()
    release_tested: frozenset[BuildVersion] = frozenset()


# --------------------------------------------------------------------------------------------------
# Witnesses that look at one build


def is_shared(version: BuildVersion) -> bool:
    """Tell whether master and a release branch both build such names: ``X.Y.0-alpha``, ``-beta`` and ``-rc``."""
    _, _, patch, stage, _ = version.precedence[0]
    return patch == 0 and stage < FINAL


def by_version(version: BuildVersion) -> str | None:
    """Return the only branch that builds such names, or ``None`` where master may be another.

    Source: DESIGN section 4, witness 2: without an exception in 7,042 builds.
    """
    return None if is_shared(version) else f"release-{version.minor}"


def by_name(version: BuildVersion, ref: str) -> Attribution:
    """Attribute a build to a branch by its name alone, where nothing else could be learnt.

    Parameters:
        version: the build's name.
        ref: the branch whose marker names it, or that was asked for.
    """
    if by_version(version) == ref:
        return Attribution(ref, Witness.VERSION, Certainty.EXACT)
    if ref == MASTER and _is_plain_alpha(version):
        return Attribution(ref, Witness.VERSION, Certainty.LIKELY)
    return Attribution(ref, Witness.LINEAGE, Certainty.DOUBTFUL)


def by_git(version: BuildVersion, line: GitLine, *, ref: str | None = None) -> Attribution | None:
    """Ask a clone of kops.

    Parameters:
        version: the build's name.
        line: one channel's first-parent line.
        ref: the channel that the line is of; left out, it is read from the name of the line's ref.

    Returns:
        The branch, with certainty ``exact``, or ``None`` where the clone cannot tell.

    Source: DESIGN section 4, witness 1.
    """
    ref = ref or line.ref.rpartition("/")[2]
    place = line.locate(version.commit) if version.commit else CommitPlace.UNKNOWN
    if isinstance(place, int):
        # Without master, a line that reaches back beyond the cut holds builds of master too.
        is_told_apart = line.knows_cut or not is_shared(version)
        return Attribution(ref, Witness.GIT, Certainty.EXACT) if is_told_apart else None
    if place is not CommitPlace.ELSEWHERE:
        return None
    # A minor is built on two branches only, so what is not on the one is on the other.
    release = f"release-{version.minor}"
    other = {MASTER: release, release: MASTER}.get(ref)
    return Attribution(other, Witness.GIT, Certainty.EXACT) if other else None


def is_disowned(version: BuildVersion, line: GitLine) -> bool:
    """Tell whether a clone that certainly has the channel's branch shows that a build is another's.

    Parameters:
        version: a build that is not the channel's by the clone, and may be by its name.
        line: the channel's line in the clone.
    """
    place = line.locate(version.commit) if version.commit else CommitPlace.UNKNOWN
    knows = place is CommitPlace.ELSEWHERE or (isinstance(place, int) and not line.knows_cut)
    # Where the name leaves no doubt either, two witnesses that are never wrong contradict each other.
    return line.is_namesake and knows and is_shared(version)


def _by_git_and_markers(
    version: BuildVersion, line: GitLine, *, ref: str | None, evidence: BranchEvidence
) -> Attribution | None:
    """Ask a clone of kops, and where both branches may have built a commit, which marker names its build.

    A release branch's first build is often of the commit that it was cut at, which master has built too. In a clone
    without master, what lies before a build that master's marker names was built before the cut.
    """
    known = by_git(version, line, ref=ref)
    if line.is_cut_at(version.commit) and version == evidence.release_named:
        return Attribution(ref or line.ref.rpartition("/")[2], Witness.GIT, Certainty.EXACT)
    if known is None and not line.knows_cut and version.commit is not None:
        place = line.locate(version.commit)
        named = (evidence.master_named, *evidence.master_tested)
        by_master = [line.locate(each.commit) for each in named if each is not None and each.commit]
        last = max((each for each in by_master if isinstance(each, int)), default=-1)
        if isinstance(place, int) and place <= last:
            return Attribution(MASTER, Witness.LINEAGE, Certainty.LIKELY)
    return known


def _is_alpha(version: BuildVersion) -> bool:
    return version.precedence[0][3] == ALPHA


# --------------------------------------------------------------------------------------------------
# All builds of a minor


def needs_evidence(builds: Iterable[Build], *, git: GitLine | None, git_ref: str | None = None) -> bool:
    """Tell whether `attribute` needs more than these names: markers, and when the builds were uploaded.

    Parameters:
        builds: builds of one minor.
        git: one channel's line in a clone, where there is one.
        git_ref: the channel that it is of.
    """
    shared = [
        build.version
        for build in builds
        if is_shared(build.version)
        and not build.version.is_tag_build
        and (
            git is None
            or by_git(build.version, git, ref=git_ref) is None
            or git.is_cut_at(build.version.commit)
        )
    ]
    if git is not None and any(git.is_cut_at(version.commit) for version in shared):
        return True
    return any(not _is_plain_alpha(version) for version in shared) or _have_twins(shared)


def attribute(
    builds: Iterable[Build],
    *,
    minor: str,
    evidence: BranchEvidence,
    git: GitLine | None = None,
    git_ref: str | None = None,
) -> Mapping[BuildVersion, Attribution]:
    """Say which branch each build of a minor is of; tag builds are of none.

    Parameters:
        builds: every build of the minor, testable or not: each tells where its line was.
        minor: the minor, as in ``1.29``.
        evidence: what `needs_evidence` asked for.
        git: one channel's line in a clone of kops, where there is one.
        git_ref: the channel that it is of.

    Returns:
        The branch of each, by which witness, and how sure that is. The order of the input does not matter.

    Source: DESIGN section 4.
    """
    attributions: dict[BuildVersion, Attribution] = {}
    unsettled: list[Build] = []
    located: dict[BuildVersion, str] = {}
    builds = sorted(builds, key=lambda build: build.version.sort_key)
    for build in builds:
        version = build.version
        if version.is_tag_build:
            continue
        known = None
        if git is not None:
            known = _by_git_and_markers(version, git, ref=git_ref, evidence=evidence)
        ref = by_version(version)
        if known is None and ref is not None:
            known = Attribution(ref, Witness.VERSION, Certainty.EXACT)
        elif known is not None and is_shared(version):
            located[version] = known.ref
            unsettled.append(build)  # itself settled, it shows the lineage witness where its line was
        if known is None:
            unsettled.append(build)
        else:
            attributions[version] = known
    if len(unsettled) == len(located):
        return attributions
    shared = _Shared(minor=minor, evidence=evidence, located=located, builds=builds)
    for version, attribution in shared.attribute(unsettled).items():
        attributions.setdefault(version, attribution)
    return attributions


def rivals(
    attributions: Mapping[BuildVersion, Attribution], pick: BuildVersion, *, own: str
) -> tuple[BuildVersion, ...]:
    """Find the builds that may be of the pick's channel too, and newer.

    Parameters:
        attributions: what `attribute` returned for the pick's minor, and for later ones.
        pick: the build that is the answer.
        own: its channel.

    Returns:
        Those of another channel that are doubtful and not older by name, newest first.
    """
    return tuple(
        sorted(
            (
                version
                for version, attribution in attributions.items()
                if attribution.certainty is Certainty.DOUBTFUL
                and attribution.ref != own
                and _may_be_newer(version, pick)
            ),
            reverse=True,
        )
    )


def _may_be_newer(version: BuildVersion, pick: BuildVersion) -> bool:
    if version.distance is None:
        return version.precedence[0] >= pick.precedence[0]
    return version.precedence >= pick.precedence


def _is_plain_alpha(version: BuildVersion) -> bool:
    """Tell whether a name is master's by custom: since 1.22 no release branch built one (history)."""
    return _is_alpha(version) and version.distance is not None


def _have_twins(versions: Iterable[BuildVersion]) -> bool:
    """Tell whether two builds have equal precedence and so are of two branches."""
    counted = (version for version in versions if version.distance is not None)
    ordered = sorted(counted, key=lambda version: version.sort_key)
    return any(one.is_twin_of(other) for one, other in pairwise(ordered))


@frozen(kw_only=True)
class _Shared:
    """The builds of a minor that master and the release branch may both have made.

    Attributes:
        minor: the minor.
        evidence: what markers and builds say of its branches.
        located: the branches that git is certain of.
        builds: all of the minor's.
    """

    minor: str
    evidence: BranchEvidence
    located: Mapping[BuildVersion, str]
    builds: Sequence[Build]

    @property
    def release(self) -> str:
        """The release branch."""
        return f"release-{self.minor}"

    def attribute(self, builds: list[Build]) -> dict[BuildVersion, Attribution]:
        """Attribute each of them, by custom where that is enough, else by lineage."""
        counted = [build for build in builds if build.version.distance is not None]
        # Where a marker or a twin shows that the branch was cut before its beta, custom says nothing.
        named = self.evidence.release_named
        early = (named is not None and self._is_early(named)) or _have_twins(
            build.version for build in counted if _is_alpha(build.version)
        )
        custom = [] if early else [build for build in counted if _is_alpha(build.version)]
        likely = Attribution(MASTER, Witness.VERSION, Certainty.LIKELY)
        found = dict.fromkeys((build.version for build in custom), likely)
        found |= self._by_lineage([build for build in counted if build.version not in found], custom)
        has_release = any(attribution.ref == self.release for attribution in found.values())
        for build in builds:
            if build.version.distance is None:
                found[build.version] = self._uncounted(build.version, has_release=has_release)
        return found

    def _by_lineage(self, contested: list[Build], custom: list[Build]) -> dict[BuildVersion, Attribution]:
        """Tell master's line and the release branch's apart, in builds that either may have made.

        Parameters:
            contested: these builds.
            custom: those that are master's by custom.
        """
        if not contested:
            return {}
        # Only a shared window needs it, and making its classes takes as long as a request.
        from kopsversion.rules.lineage import Line, Sighting, tell_apart

        def seen(build: Build) -> Sighting:
            ref = self.located.get(build.version)
            line = None if ref is None else Line.MASTER if ref == MASTER else Line.RELEASE
            return Sighting(build.version, build.uploaded.timestamp() if build.uploaded else None, line)

        master, release = map(self._named, (self.evidence.master_named, self.evidence.release_named))
        left = self.evidence.master_left
        opinions = tell_apart(
            [seen(build) for build in contested],
            master=seen(master) if master else None,
            release=seen(release) if release else None,
            tested=dict.fromkeys(self.evidence.master_tested, Line.MASTER)
            | dict.fromkeys(self.evidence.release_tested, Line.RELEASE),
            finals=[
                seen(build)
                for build in self.builds
                if not is_shared(build.version) and build.version.distance is not None
            ],
            master_left=left.timestamp() if left else None,
            masters=[seen(build) for build in custom],
        )
        return {
            version: self._lineage(
                MASTER if opinion.line is Line.MASTER else self.release, is_likely=opinion.is_likely
            )
            for version, opinion in opinions.items()
        }

    def _is_early(self, version: BuildVersion) -> bool:
        """Tell whether a name is an alpha that both branches of the minor may have built."""
        return version.minor == self.minor and _is_alpha(version) and not version.is_tag_build

    def _lineage(self, ref: str, *, is_likely: bool = False) -> Attribution:
        return Attribution(ref, Witness.LINEAGE, Certainty.LIKELY if is_likely else Certainty.DOUBTFUL)

    def _named(self, version: BuildVersion | None) -> Build | None:
        """Return the build that a marker names, whether it is there or not, if it has a place on a line."""
        if version is None or version.distance is None:
            return None
        return next((build for build in self.builds if build.version == version), Build(version))

    def _uncounted(self, version: BuildVersion, *, has_release: bool) -> Attribution:
        """Attribute a bare-commit build, whose place on a line is not known.

        From 2019 to 2021 master built no betas without tags, and the release branch, once cut, built alphas too.
        So the name decides only while there is no such branch.
        """
        is_masters = version == self.evidence.master_named
        is_release = version == self.evidence.release_named
        if is_masters != is_release:
            return self._lineage(MASTER if is_masters else self.release, is_likely=True)
        if self.evidence.release_exists is False and not has_release:
            return Attribution(MASTER, Witness.VERSION, Certainty.LIKELY)
        return self._lineage(MASTER if _is_alpha(version) else self.release)
