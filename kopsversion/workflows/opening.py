"""Opens a store for the author of a harness, with the environment of the process.

The flows of this folder open their stores for one question, and close them again. This module must not know what is
asked.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kopsversion.stores import opening
from kopsversion.stores.deadline import Deadline
from kopsversion.workflows.arguments import wrong_argument

if TYPE_CHECKING:
    from kopsversion.stores.base import Credentials, Store

__all__ = ["open_store"]

_LONG = timedelta(hours=1)


def open_store(
    url: str | Path, *, timeout: float | timedelta = _LONG, credentials: Credentials = "anonymous"
) -> Store:
    """Open a store by its URL or path. Nothing is asked of it yet; close it with `Store.close`.

    >>> bucket = open_store("gs://k8s-staging-kops/kops/releases/", timeout=60)
    >>> bucket.public_url("1.29.0-alpha.3")
    'https://storage.googleapis.com/k8s-staging-kops/kops/releases/1.29.0-alpha.3'
    >>> bucket.requests
    0

    Parameters:
        url: ``gs://bucket/prefix/``, ``https://storage.googleapis.com/bucket/prefix/``, the URL of a place on any
            other web server, which can be read and not listed, ``file:///dir`` or a path.
        timeout: how long the store can be asked from now on, as a duration or in seconds; default: an hour.
        credentials: ``anonymous``, or ``default`` for Application Default Credentials, which writing needs.

    Raises:
        UsageError: an argument is not valid.
        AccessDeniedError: there are no Application Default Credentials.

    Source: DESIGN section 9.
    """
    if not isinstance(url, str | Path):
        raise wrong_argument("url", url, wanted="a URL as text, or a pathlib.Path")
    if credentials not in ("anonymous", "default"):
        raise wrong_argument("credentials", credentials, wanted='"anonymous" or "default"')
    return opening.open_store(
        str(url), deadline=Deadline(timeout), environ=os.environ, credentials=credentials
    )
