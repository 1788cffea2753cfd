"""``--repo`` takes a directory, or the URL of a repository, and nothing that git would take for more."""

from __future__ import annotations

from pathlib import Path

import pytest

from kopsversion.errors import UsageError
from kopsversion.witness.address import CloneUrl, parse_repo


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/kubernetes/kops",
        "https://github.com/kubernetes/kops.git",
        "https://git.example.com:8443/mirrors/kops/",
        "http://127.0.0.1:8080/kops",
        "http://[::1]:8080/kops",
        "ssh://git@github.com/kubernetes/kops",
        "ssh://host:2222/srv/kops.git",
        "git://127.0.0.1/kops",
        "file:///srv/my%20clones/kops",
        "git@github.com:kubernetes/kops.git",
    ],
)
def test_a_url_of_five_protocols_is_one(url: str) -> None:
    """It is kept as it is written."""
    assert parse_repo(url) == CloneUrl(url)
    assert str(parse_repo(url)) == url


@pytest.mark.parametrize(
    "text", [".", "kops", "/srv/kops", "~/kops", "a:b", "host:kops", "C:\\kops", "x" * 5000]
)
def test_anything_else_is_a_directory(text: str) -> None:
    """Whether there is one is seen when it is read."""
    assert parse_repo(text) == Path(text)


@pytest.mark.parametrize("name", ["ext::x", "git@host:kops"])
def test_a_directory_that_is_there_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exists is what is meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert parse_repo(name) == Path(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-x",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::17",
        "fd::" + "x" * 5000,
        "fd::\0",
        "ftp://example.com/kops",
        "HTTPS://github.com/kubernetes/kops",
        "ext://x/y",
        "git+ssh://host/kops",
        "https://",
        "https://github.com",
        "https://github.com/",
        "https://github.com//kops",
        "https:///kops",
        "https://user:secret@github.com/kubernetes/kops",
        "https://token@github.com/kubernetes/kops",
        "git://user@host/kops",
        "https://github.com/kubernetes/kops?x=1",
        "https://github.com/kubernetes/kops#x",
        "https://github.com/kubernetes/kops x",
        "https://github.com/kubernetes/kops\n",
        "https://github.com/kubernetes/kops%0a",
        "https://github.com/kubernetes/kops\x1b[31m",
        "https://github.com/kubernetes/köps",
        "https://github.com/" + "x" * 2000,
        "https://-oProxyCommand=x/kops",
        "ssh://-oProxyCommand=touch/kops",
        "ssh://-o@host/kops",
        "ssh://git@-host/kops",
        "ssh://host:port/kops",
        "ssh://a:b@host/kops",
        "file://host/kops",
        "file://",
        "file:///",
    ],
)
def test_nothing_else_gets_to_git(text: str) -> None:
    """It is a usage error, which passes on no secret and nothing that a terminal obeys."""
    with pytest.raises(UsageError) as caught:
        parse_repo(text)
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)
    assert "token@" not in str(caught.value)
    assert "--repo https://github.com/kubernetes/kops" in caught.value.hint
