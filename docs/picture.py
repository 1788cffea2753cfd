"""Draws ``docs/images/incident.png``: the page that ``kopsversion check`` makes of the demo bucket, down to the legend.

Run it by hand, as ``python -m docs.picture``, when the page has changed, and look at the picture. Needs Chromium.
A screenshot is larger than a README should load, so it is written anew with a palette of 256 colours.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve

from kopsversion.cli.demo_bucket import AS_OF, lay_out
from kopsversion.model.layout import OFFICIAL_ROOT
from kopsversion.render.html import health_to_html
from kopsversion.workflows.jobs import JobsQuestion
from kopsversion.workflows.survey import check_health

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PICTURE = Path(__file__).parent / "images" / "incident.png"

_WIDTH, _HEIGHT, _SCALE = 1000, 1500, 1.5
"""The window in CSS pixels, higher than what is shown, and how many pixels of the picture each one has."""
_MARGIN = 30
"""Rows of the picture that stay empty below what is shown."""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *(f"--window-size={_WIDTH},{_HEIGHT}", f"--force-device-scale-factor={_SCALE}"),
    "--blink-settings=preferredColorScheme=1",
)
_HIDDEN = "<style>section:has(.legend) ~ * { display: none; }</style></head>"
"""Hides what comes after the timeline."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256

_Row: TypeAlias = "Sequence[bytes]"
"""A row of pixels, each as red, green and blue."""


def main() -> None:
    """Draw the picture anew."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("The picture is drawn by Chromium, which is not installed: apt-get install chromium")
    with TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        page.write_text(_page(Path(folder, "demo")), encoding="utf-8")
        command = [
            chromium,
            *_FLAGS,
            f"--user-data-dir={folder}/profile",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 # our own
        PICTURE.write_bytes(_with_palette(_trimmed(list(_rows(shot.read_bytes())))))
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")


def _page(bucket: Path) -> str:
    """Make the page of the demo bucket. Where a reader would see this machine's path it names kops' own bucket."""
    lay_out(bucket)
    report = check_health(store=str(bucket), as_of=AS_OF, jobs=JobsQuestion())
    page = health_to_html(evolve(report, store=OFFICIAL_ROOT), interval=None)
    return page.replace("</head>", _HIDDEN)


# --------------------------------------------------------------------------------------------------
# PNG: https://www.w3.org/TR/png-3/


def _rows(png: bytes) -> Iterator[_Row]:
    """Read a picture of 8 bits a channel, with or without transparency, which is dropped."""
    header, data, position = b"", b"", len(_SIGNATURE)
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        content = png[position + 8 : position + 8 + length]
        header = content if kind == b"IHDR" else header
        data += content if kind == b"IDAT" else b""
        position += length + 12
    width, _, _, colour_type = struct.unpack_from(">IIBB", header)
    size = {2: 3, 6: 4}[colour_type]  # bytes a pixel
    raw, stride = zlib.decompress(data), width * size
    above = bytes(stride)
    for begin in range(0, len(raw), stride + 1):
        above = _unfiltered(raw[begin], raw[begin + 1 : begin + 1 + stride], above, size)
        yield [above[i : i + 3] for i in range(0, stride, size)]


def _unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """Undo the filter of a row (section 9)."""
    found = bytearray(size) + line  # a pixel of zeros to the left
    upper = bytes(size) + above
    for i in range(size, len(found)):
        left, up, corner = found[i - size], upper[i], upper[i - size]
        guess = (0, left, up, (left + up) // 2, _nearest(left, up, corner))[kind]
        found[i] = (found[i] + guess) % 256
    return bytes(found[size:])


def _nearest(left: int, up: int, corner: int) -> int:
    """Choose a neighbour as Paeth does."""
    estimate = left + up - corner
    return min((left, up, corner), key=lambda each: abs(estimate - each))


def _trimmed(rows: Sequence[_Row]) -> Sequence[_Row]:
    """Leave out the empty rows at the bottom, but for a margin."""
    last = max(number for number, row in enumerate(rows) if len(set(row)) > 1)
    return rows[: last + _MARGIN]


def _with_palette(rows: Sequence[_Row]) -> bytes:
    """Write a picture with its most frequent colours; every other one becomes the nearest of them."""
    counted = Counter(colour for row in rows for colour in row)
    palette = [colour for colour, _ in counted.most_common(_COLOURS)]
    places = {
        colour: min(
            range(len(palette)),
            key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour, strict=True)),
        )
        for colour in counted
    }
    lines = b"".join(b"\0" + bytes(places[colour] for colour in row) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


if __name__ == "__main__":
    main()
