"""Where the links of a page lead: kops' own places unless the configuration names others.

Each place is a template of a URL. The text that is filled in comes from a bucket, so it is quoted, and a template must
be a URL of the web. This module must not know which links are shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from attrs import fields

from kopsversion.errors import UsageError, quoted
from kopsversion.model.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopsversion.model.version import BuildVersion

__all__ = ["PLACES", "Links", "check_template"]

_GCS = "https://storage.googleapis.com/"
_FIELD = re.compile(r"\{([^{}]*)\}")
_WEB = re.compile(r"https?://[^\s/]+")


@frozen(kw_only=True)
class Links:
    """Templates of URLs; an empty one makes no link.

    Attributes:
        branch: the branch of a channel; takes ``{ref}``.
        commit: the commit of a build; takes ``{commit}``.
        compare: the merges between two builds; takes ``{old}`` and ``{new}``, which are commits.
        object: a marker in the store; takes ``{store}``, which ends in a slash, and ``{path}``.
        job: the runs of a job; takes ``{job}``.
        condition: the reference page of a finding's code; takes ``{code}``. Where it is empty, the page explains
            its codes itself.
        contact: whom to ask.
        contact_name: what that place is called.
    """

    branch: str = "https://github.com/kubernetes/kops/tree/{ref}"
    commit: str = "https://github.com/kubernetes/kops/commit/{commit}"
    compare: str = "https://github.com/kubernetes/kops/compare/{old}...{new}"
    object: str = "{store}{path}"
    job: str = "https://prow.k8s.io/?job={job}"
    condition: str = ""
    contact: str = "https://kubernetes.slack.com/messages/kops-dev/"
    contact_name: str = "#kops-dev on Kubernetes' Slack"

    def to_branch(self, ref: str) -> str:
        """Return where a channel's branch is."""
        return _filled(self.branch, ref=ref)

    def to_commit(self, version: BuildVersion) -> str:
        """Return where a build's commit is; nowhere if its version names none."""
        return _filled(self.commit, commit=version.commit) if version.commit else ""

    def to_compare(self, old: BuildVersion, new: BuildVersion) -> str:
        """Return where the merges between two builds are."""
        if not old.commit or not new.commit or old.commit == new.commit:
            return ""
        return _filled(self.compare, old=old.commit, new=new.commit)

    def to_object(self, store: str, path: str) -> str:
        """Return where a file of the store can be looked at; a directory on a disk is nowhere."""
        at = re.sub(r"^gs://", _GCS, store)
        if self.object.startswith("{store}") and not _WEB.match(at):
            return ""
        filled = self.object.replace("{store}", at if at.endswith("/") else f"{at}/")
        return _filled(filled, path=path)

    def to_job(self, job: str) -> str:
        """Return where the runs of a job are."""
        return _filled(self.job, job=job)

    def to_condition(self, code: str) -> str:
        """Return where a code is explained: on the page itself unless configured."""
        return _filled(self.condition, code=code) if self.condition else f"#code-{code}"


PLACES: Mapping[str, frozenset[str]] = {
    field.name: frozenset(_FIELD.findall(str(field.default)))
    | ({"code"} if field.name == "condition" else set())
    for field in fields(Links)
}
"""By name of a template: the fields that it may take."""


def check_template(name: str, template: str) -> str:
    """Return a template, if it is valid.

    Parameters:
        name: which one, of `PLACES`.
        template: a URL, with its fields in braces; empty for no link.

    Raises:
        UsageError: it has an unknown field, or is not a URL of the web.
    """
    if name == "contact_name" or not template:
        return template
    known = PLACES[name]
    strange = sorted(set(_FIELD.findall(template)) - known)
    if strange or template.count("{") != template.count("}"):
        takes = ", ".join(f"{{{each}}}" for each in sorted(known)) or "nothing"
        raise UsageError(
            f"{quoted(template)} takes {{{strange[0] if strange else ''}}}", hint=f"this link takes {takes}"
        )
    if not template.startswith("{store}") and not _leads_to_the_web(template):
        raise UsageError(f"{quoted(template)} does not lead to the web", hint="write https://…")
    return template


def _leads_to_the_web(template: str) -> bool:
    try:
        host = urlsplit(template).hostname
    except ValueError:
        return False
    return bool(host) and _WEB.match(template) is not None and "{" not in (host or "")


def _filled(template: str, **values: str) -> str:
    """Fill in the fields of a template; a value can neither end the path nor begin a query."""
    return _FIELD.sub(lambda field: quote(values.get(field[1], ""), safe="/"), template)
