"""How machines are run: software emulation, or KVM where the user says that it works."""

from __future__ import annotations

import os

from ..errors import UserError

#: Accelerator -> QEMU's arguments. Emulated CPUs have everything that QEMU can emulate. They take turns in
#: one thread: with a thread for each, QEMU 7.2 sometimes executes code that the kernel has changed already
#: ("Oops: int3", and the machine boots again).
_ARGUMENTS = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    "tcg": ("-accel", "tcg,thread=single", "-cpu", "max"),
}


def chosen() -> str:
    """`tcg`, or what `MSHARE_LAB_ACCEL` says.

    KVM is not tried by itself: on some virtual hosts /dev/kvm opens and guests then hang.

    Raises:
        UserError: `MSHARE_LAB_ACCEL` is neither `tcg` nor `kvm`.
    """
    name = os.environ.get("MSHARE_LAB_ACCEL", "tcg")
    if name not in _ARGUMENTS:
        raise UserError(f"MSHARE_LAB_ACCEL is {name!r}", f"set it to {' or '.join(_ARGUMENTS)}")
    return name


def arguments(name: str) -> tuple[str, ...]:
    """QEMU's arguments for an accelerator."""
    return _ARGUMENTS[name]
