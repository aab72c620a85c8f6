"""Sizes as people write them, in bytes."""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import UserError

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def to_bytes(text: str | int) -> int:
    """Bytes of `512`, `64M`, `1.5 GiB`; units are binary, as in the declarations of regions.

    Raises:
        UserError: it is no size.
    """
    found = _SIZE.fullmatch(str(text).strip())
    if not found:
        raise UserError(
            f"{text!r} is not a size", "write a number of bytes, or one with K, M, G or T, as in 256M"
        )
    return int(Fraction(found[1]) * 1024 ** _POWERS[found[2].lower()])


def human(number: float) -> str:
    """A number of bytes for a reader: `0`, `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.1f}".removesuffix(".0") + f" {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
