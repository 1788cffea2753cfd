"""Commands and options that messages tell the reader to type: each is said in one place, and works as it stands."""

from __future__ import annotations

import shlex

KOPS_URL = "https://github.com/kubernetes/kops"
"""Where kops' own history is."""

REPO_OPTION = f"--repo {KOPS_URL}"
"""The option by which anybody has a clone: it fetches what is needed, and only in doubt (DESIGN section 4)."""


def fetch_command(branch: str, *, repo: str = ".", into: str | None = None, unshallow: bool = False) -> str:
    """Return the command that adds a branch of kops to a clone, or brings it up to date.

    A Prow job's clone has no remote called ``origin``, so the command says the URL.

    Parameters:
        branch: ``master`` or ``release-X.Y``.
        repo: the clone's directory; left out where it is the current one.
        into: the short name of the remote's branch in the clone; as a clone names it where left out.
        unshallow: whether the clone's history is cut off, and is needed.
    """
    here = f" -C {shlex.quote(repo)}" if repo != "." and repo.isprintable() else ""
    target = into if into is not None and into.endswith(f"/{branch}") else f"origin/{branch}"
    depth = " --unshallow" if unshallow else ""
    return f"git{here} fetch{depth} {KOPS_URL} +{branch}:refs/remotes/{target}"
