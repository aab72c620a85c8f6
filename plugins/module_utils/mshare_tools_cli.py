# SPDX-License-Identifier: MIT
"""`/usr/bin/mshare` on a host: a table of contents."""

from __future__ import annotations

import sys

_USAGE = """\
usage: mshare region COMMAND ...   make, change, look at and remove regions; see mshare-region(8)
       mshare boot-guard           guard the trial boot of a kernel (for mshare-trial-guard.service)
"""


def main(argv=None):
    """Run `mshare COMMAND ...`; return the exit code, 2 for a command that is not there."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["region"]:
        from .mshare_region_cli import main as region  # noqa: PLC0415 - a boot guard needs little

        return region(argv[1:])
    if argv == ["boot-guard"]:
        from .mshare_trial import main as guard  # noqa: PLC0415

        return guard()
    if argv in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    print(_USAGE, end="", file=sys.stderr)
    return 2
