# SPDX-License-Identifier: MIT
"""Names of regions: one path component, which is also the instance of `mshare-region@.service`."""

from __future__ import annotations

import re

from .mshare_region_errors import BadInput

INFO = "mshare_info"
LONGEST = 200
_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def check_name(name):
    """The name itself when a region may have it, else BadInput.

    Every such name is a valid instance of a systemd unit as it stands. A leading dot is refused because it
    hides, `mshare_info` because the kernel has it; 200 characters keep the unit's name within 255.
    """
    if not isinstance(name, str) or not _PATTERN.fullmatch(name) or len(name) > LONGEST or name == INFO:
        raise BadInput(
            "%r cannot be the name of a region" % (name,),
            "use at most %d letters, digits, '.', '_' or '-', not beginning with '.', and not %s"
            % (LONGEST, INFO),
        )
    return name


def from_instance(instance):
    r"""The region that an instance of `mshare-region@.service` stands for.

    systemd-escape writes `pg-data` as `pg\x2ddata`. Both spellings are taken; a plain '-' is never read as
    '/', because no region's name has one.
    """
    return check_name(_ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), instance))


def unit_name(name):
    """The service that makes a region at boot."""
    return "mshare-region@%s.service" % check_name(name)
