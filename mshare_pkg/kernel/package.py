"""The Debian packages of a compiled kernel.

The kernel's own scripts/package/builddeb lays out image and headers, with the maintainer scripts that call
Debian's hooks in /etc/kernel. `make bindeb-pkg` would call it too, but also compile once more, want debhelper
and make a linux-libc-dev that nobody here uses: 110 CPU seconds against about 10.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..run import run
from .debs import Control, pack
from .make import Make

#: The user header in the kernel tree.
HEADER = Path("include/uapi/linux/msharefs.h")
#: The example programs there.
SAMPLES = Path("samples/mshare")


@dataclass(frozen=True)
class Naming:
    """Names and versions of the packages of a build.

    Attributes:
        release: kernel release.
        flavour: with the debug suffix.
        version: version of the packages.
        architecture: Debian's name.
        origin: what the kernel was made of, in words, for descriptions and copyright files.
    """

    release: str
    flavour: str
    version: str
    architecture: str
    origin: str

    def image(self) -> Control:
        """The kernel itself."""
        return Control(
            f"linux-image-{self.release}",
            self.version,
            self.architecture,
            "kernel",
            f"Linux kernel {self.release} with msharefs",
            f"The kernel image, its modules and its configuration.\nMade of {self.origin}.",
            {"Depends": "kmod", "Recommends": "initramfs-tools | linux-initramfs-tool"},
        )

    def headers(self) -> Control:
        """What modules for this kernel compile against."""
        return Control(
            f"linux-headers-{self.release}",
            self.version,
            self.architecture,
            "kernel",
            f"Linux kernel headers for {self.release}",
            f"What kernel modules for {self.release} compile against.",
            {"Depends": "libc6, libelf1"},
        )

    def meta(self) -> Control:
        """The package whose newest version depends on the newest image."""
        image = self.image()
        return Control(
            f"linux-image-mshare-{self.flavour}",
            self.version,
            self.architecture,
            "metapackages",
            f"newest Linux kernel with msharefs, flavour {self.flavour}",
            "Depends on exactly the kernel image of its own version.",
            {"Depends": f"{image.name} (= {self.version})"},
        )

    def dev(self) -> Control:
        """The user header and the examples."""
        return Control(
            "mshare-dev",
            self.version,
            "all",
            "devel",
            "user header of msharefs, with examples",
            "linux/msharefs.h, and two C programs: one creates a region of memory whose page\n"
            "tables all processes share, the other attaches to it.",
            {"Depends": "libc6-dev | libc-dev"},
        )


def _documents(root: Path, control: Control, naming: Naming, licence: str) -> Path:
    """Add a copyright file to a package's tree; returns the package's documentation directory."""
    folder = root / "usr" / "share" / "doc" / control.name
    folder.mkdir(parents=True)
    (folder / "copyright").write_text(
        f"This is {control.name} {control.version}, made of {naming.origin}.\n\n{licence}\n\n"
        "On Debian systems the text of the licence is in /usr/share/common-licenses/GPL-2.\n"
    )
    return folder


def _kernel_package(make: Make, control: Control, naming: Naming, output: Path, log: Path) -> Path:
    """Let the kernel's script lay out image or headers, and pack it."""
    root = make.tree / "debian" / control.name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    run(
        make.argv("run-command", f"KBUILD_RUN_COMMAND=+$(srctree)/scripts/package/builddeb {control.name}"),
        doing=f"laying out {control.name}",
        cwd=make.tree,
        env=make.env(),
        log=log,
    )
    _documents(root, control, naming, "Linux is under version 2 of the GNU General Public License.")
    return pack(root, control, output, make.stamp)


def make_packages(make: Make, naming: Naming, output: Path, logs: Path) -> list[tuple[str, Path]]:
    """Make the packages of a compiled tree: image, headers, metapackage and, given a user header, dev.

    Args:
        make: how to call the tree's Makefile.
        naming: names and versions.
        output: directory for the .deb files.
        logs: directory for logs.

    Returns:
        (kind, .deb file) of each package.
    """
    image, headers, meta, dev = naming.image(), naming.headers(), naming.meta(), naming.dev()
    made = [
        ("image", _kernel_package(make, image, naming, output, logs / "image.log")),
        ("headers", _kernel_package(make, headers, naming, output, logs / "headers.log")),
    ]
    root = make.tree / "debian" / meta.name
    shutil.rmtree(root, ignore_errors=True)
    _documents(root, meta, naming, "Linux is under version 2 of the GNU General Public License.")
    made.append(("meta", pack(root, meta, output, make.stamp)))
    if (make.tree / HEADER).is_file():
        root = make.tree / "debian" / dev.name
        shutil.rmtree(root, ignore_errors=True)
        licence = "The header is under GPL-2.0 WITH Linux-syscall-note, the examples under GPL-2.0."
        folder = _documents(root, dev, naming, licence) / "examples"
        (root / "usr/include/linux").mkdir(parents=True)
        shutil.copy(make.tree / HEADER, root / "usr/include/linux")
        if samples := sorted((make.tree / SAMPLES).glob("*.c")):
            folder.mkdir()
            for sample in samples:
                shutil.copy(sample, folder)
        made.append(("dev", pack(root, dev, output, make.stamp)))
    return made
