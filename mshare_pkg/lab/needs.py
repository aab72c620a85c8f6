"""The programs that the lab needs on the controller, and the Debian packages that have them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from ..errors import InfraError

#: Program -> Debian package. What running machines takes.
RUN = {
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}

#: Program -> Debian package. What building their image takes on top.
BUILD = {
    "apt-cache": "apt",
    "chroot": "coreutils",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
    "sfdisk": "fdisk",
}

#: Where a system's tools are that a user's PATH may lack.
_SYSTEM = "/usr/sbin:/sbin"


def find(program: str) -> str | None:
    """Absolute path of a program, also where a user's PATH does not look; None when it is not there."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}")


def tool(program: str) -> str:
    """Absolute path of one of the programs of `RUN` and `BUILD`.

    Raises:
        InfraError: it is not installed.
    """
    require([program])
    return find(program) or program


def require(programs: Iterable[str]) -> None:
    """Check that programs of `RUN` and `BUILD` are installed.

    Raises:
        InfraError: naming every one that is missing, and the packages to install.
    """
    missing = [name for name in programs if find(name) is None]
    if missing:
        known = {**RUN, **BUILD}
        packages = " ".join(sorted({known[name] for name in missing}))
        raise InfraError(
            f"the lab needs {', '.join(missing)}, which this machine does not have",
            f"as root: apt-get install {packages}",
        )
