"""How a kernel tree's own Makefile is called: the same way in every step, and whoever calls it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..paths import cache_dir

#: Debian's name of an architecture -> the kernel's.
KERNEL_ARCH = {"amd64": "x86", "arm64": "arm64"}

#: Where kbuild puts the image of x86-64, the one architecture of our bases.
IMAGE = Path("arch/x86/boot/bzImage")


@dataclass(frozen=True)
class Make:
    """The make command for one kernel tree.

    Attributes:
        tree: the kernel tree.
        architecture: Debian's name.
        local_version: what follows the upstream version in the release ("-mshare1-vm").
        stamp: time that the kernel states as its build time, seconds since the epoch.
        jobs: how many compilers run at once.
    """

    tree: Path
    architecture: str
    local_version: str
    stamp: int
    jobs: int

    def argv(self, *targets: str) -> list[str]:
        """The command line for some targets."""
        return [
            "make",
            f"-j{self.jobs}",
            f"ARCH={KERNEL_ARCH[self.architecture]}",
            "CROSS_COMPILE=",
            "CC=ccache gcc",
            "HOSTCC=ccache gcc",
            f"LOCALVERSION={self.local_version}",
            *targets,
        ]

    def env(self) -> dict[str, str]:
        """Variables to add: nothing of the caller's makes a difference, and neither do time, user or place.

        The compiler cache is shared by all work trees: paths below the tree count as relative.
        """
        return {
            "LC_ALL": "C",
            "TZ": "UTC",
            "MAKEFLAGS": "",
            "MFLAGS": "",
            "KBUILD_OUTPUT": "",
            "KBUILD_VERBOSE": "0",
            "KCFLAGS": "",
            "KCPPFLAGS": "",
            "KCONFIG_CONFIG": ".config",
            "KDEB_HOOKDIR": "/etc/kernel",
            "LLVM": "",
            "SOURCE_DATE_EPOCH": str(self.stamp),
            "KBUILD_BUILD_TIMESTAMP": time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(self.stamp)),
            "KBUILD_BUILD_USER": "mshare",
            "KBUILD_BUILD_HOST": "mshare",
            "KBUILD_BUILD_VERSION": "1",
            "CCACHE_DIR": str(cache_dir("ccache")),
            "CCACHE_BASEDIR": str(self.tree),
            "CCACHE_NOHASHDIR": "1",
            "CCACHE_SLOPPINESS": "include_file_ctime,include_file_mtime",
            "CCACHE_MAXSIZE": "5G",
        }
