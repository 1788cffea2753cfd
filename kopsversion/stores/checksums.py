"""Checks a body against the hashes that the server sends of the object, ``x-goog-hash`` (pure).

Source: Cloud Storage, "Hashes and ETags": CRC32C (Castagnoli, RFC 4960 appendix B) and MD5, each base64 of the
big-endian digest. The bodies checked here are small, so a table in Python is fast enough.

This module must not know where a body came from.
"""

from __future__ import annotations

import base64
import functools
import hashlib

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, with its bits reversed


def matches_hashes(data: bytes, header: str) -> bool | None:
    """Check a body against the value of ``x-goog-hash``.

    Parameters:
        data: the whole body.
        header: the value, as in ``crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==``; untrusted.

    Returns:
        Whether it is right; ``None`` where the header holds no hash that is known here.
    """
    known = {"crc32c": _crc32c_text, "md5": _md5_text}
    found = None
    for part in header.split(","):
        kind, _, expected = part.strip().partition("=")
        if kind in known and expected:
            if known[kind](data) != expected:
                return False
            found = True
    return found


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _table()
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@functools.cache
def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        value = entry
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


def _crc32c_text(data: bytes) -> str:
    return base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()


def _md5_text(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
