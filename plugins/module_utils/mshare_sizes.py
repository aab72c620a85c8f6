# SPDX-License-Identifier: MIT
"""Sizes and modes as people write them. Units are binary: 1K, 1KB and 1KiB are all 1024 bytes."""

from __future__ import annotations

import re

from .mshare_region_errors import BadInput

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_PATTERN = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_size(value, what="size"):
    """Bytes (int) of a size such as 4096, "256M", "1.5 GiB"; `what` names it in the error.

    Raises BadInput for anything else, for negative numbers, and for fractions of a byte.
    """
    text = str(value).strip()
    found = None if isinstance(value, bool) else _PATTERN.fullmatch(text)
    if not found:
        raise BadInput(
            "%s: %r is not a size" % (what, value),
            "write a whole number of bytes, or a number with K, M, G or T, such as 256M or 1GiB",
        )
    whole, fraction, unit = found.groups()
    factor = 1024 ** _POWERS[unit.lower()]
    if not fraction:
        return int(whole) * factor
    parts = int(whole + fraction) * factor
    if parts % 10 ** len(fraction):
        raise BadInput("%s: %r is not a whole number of bytes" % (what, value), "write it in a smaller unit")
    return parts // 10 ** len(fraction)


def parse_mode(value, most, what="mode"):
    """Permission bits as a number, at most `most`, of octal text such as "0660".

    `what` names it in the error. YAML makes the number 432 of 0660 without quotes, which is taken. It makes
    440 of 440, which is 0670: a number that gives a class of users more than the class before it was meant
    in octal, and is refused.

    Raises BadInput.
    """
    mode, wanted = -1, "write permission bits in octal and in quotes, such as '0660'"
    if isinstance(value, int) and not isinstance(value, bool):
        user, group, other = value >> 6 & 7, value >> 3 & 7, value & 7
        if group & ~user or other & ~group:
            raise BadInput("%s is the number %d, in octal %04o" % (what, value, value), wanted)
        mode = value
    elif re.fullmatch("(0o)?[0-7]+", str(value)):
        mode = int(value, 8)
    if not 0 <= mode <= most:
        raise BadInput("%s is %r" % (what, value), wanted)
    return mode


def format_size(size):
    """The shortest exact text of a number of bytes, which `parse_size` reads back: 1073741824 is "1G"."""
    for unit, power in (("T", 4), ("G", 3), ("M", 2), ("K", 1)):
        if size and size % 1024**power == 0:
            return "%d%s" % (size // 1024**power, unit)
    return str(size)


def round_up(size, granularity):
    """The smallest multiple of `granularity` that is not less than `size`; both in bytes."""
    return -(-size // granularity) * granularity
