"""The page of properties names tests that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from mshare_pkg.kernel_selftest.programs import PROGRAMS

REPO = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in (REPO / "docs" / "properties.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| property", "| ---"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_case_is_there(row: list[str]) -> None:
    _, program, case = row
    source = (REPO / "kernel" / "selftests" / "mshare" / f"{program}.c").read_text()
    assert case in source.replace('"\n\t  "', "")


def test_what_needs_a_debug_kernel_is_marked() -> None:
    marked = {program for name, program, _ in ROWS if "*debug*" in name}
    assert marked == {program.name for program in PROGRAMS if program.debug}


def test_every_program_holds_something() -> None:
    assert {program for _, program, _ in ROWS} >= {
        program.name for program in PROGRAMS if program.name not in ("info",)
    }
