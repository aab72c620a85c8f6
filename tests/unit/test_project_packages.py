"""packages.txt has what the parts of the project say they need."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mshare_pkg.lab import needs
from mshare_pkg.stages.setup import wanted_packages

ROOT = Path(__file__).parents[2]

#: On every Debian machine: essential, or apt itself.
ALWAYS_THERE = {"apt", "coreutils", "dpkg", "gzip", "tar", "util-linux"}


def test_what_the_parts_need_is_in_the_list() -> None:
    needed = {*needs.RUN.values(), *needs.BUILD.values()}
    for base in (ROOT / "kernel" / "bases").glob("*.toml"):
        data = tomllib.loads(base.read_text())
        needed |= {*data["tools"].values(), *data["headers"].values()}
    listed = set(wanted_packages((ROOT / "packages.txt").read_text()))
    assert needed - ALWAYS_THERE - listed == set()
