"""The kernels that are compared, and how each is built."""

from __future__ import annotations

from pathlib import Path

from ..kernel.base import Base
from ..kernel.inputs import Request

#: The kernel that the others are compared with.
UNPATCHED = "unpatched"

#: The others: our patches with CONFIG_MSHARE=n, and with CONFIG_MSHARE=y as we ship it.
OTHERS = ("off", "on")


def requests(root: Path, base: Base, flavour: str) -> dict[str, Request]:
    """What to build, by the kernel's name; all of the same source, flavour and toolchain."""
    folder = root / "kernel" / "cost"
    return {
        UNPATCHED: Request(root, base, flavour, series=folder / UNPATCHED),
        "off": Request(root, base, flavour, config=folder / "off.config"),
        "on": Request(root, base, flavour),
    }
