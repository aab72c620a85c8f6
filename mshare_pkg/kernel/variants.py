"""The kernels that ours is compared with: of the same source and flavour, without msharefs."""

from __future__ import annotations

from pathlib import Path

from .base import Base
from .inputs import Request

#: As Debian has it; our patches with CONFIG_MSHARE=n; ours as we ship it.
UNPATCHED, OFF, ON = "unpatched", "off", "on"


def requests(root: Path, base: Base, flavour: str) -> dict[str, Request]:
    """What to build, by the variant's name."""
    folder = root / "kernel" / "variants"
    return {
        UNPATCHED: Request(root, base, flavour, series=folder / UNPATCHED),
        OFF: Request(root, base, flavour, config=folder / "off.config"),
        ON: Request(root, base, flavour),
    }
