"""Every source file says under what licence it is, where that is not the licence of the whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAG = re.compile(r"SPDX-License-Identifier: (.+?)(?: \*/)?$", re.MULTILINE)


def licence(path: Path) -> str | None:
    """The licence that the first lines of a file name."""
    found = TAG.search("\n".join(path.read_text().splitlines()[:8]))
    return found[1] if found else None


def files(place: str, *suffixes: str) -> list[Path]:
    return [path for path in sorted((ROOT / place).rglob("*")) if path.suffix in suffixes and path.is_file()]


@pytest.mark.parametrize("path", files("kernel", ".c", ".h"), ids=lambda path: str(path.relative_to(ROOT)))
def test_kernel_code_is_gpl_2(path: Path) -> None:
    user_header = "uapi" in path.parts
    assert licence(path) == ("GPL-2.0 WITH Linux-syscall-note" if user_header else "GPL-2.0")


@pytest.mark.parametrize("path", files("plugins", ".py"), ids=lambda path: str(path.relative_to(ROOT)))
def test_code_that_imports_ansible_is_gpl_3(path: Path) -> None:
    imports_ansible = re.search(r"^from ansible\.", path.read_text(), re.MULTILINE) is not None
    assert licence(path) == ("GPL-3.0-or-later" if imports_ansible else "MIT")


@pytest.mark.parametrize("name", ["GPL-2.0-only", "GPL-3.0-or-later", "Linux-syscall-note", "MIT"])
def test_the_texts_are_there(name: str) -> None:
    assert len((ROOT / "LICENSES" / f"{name}.txt").read_text()) > 500
