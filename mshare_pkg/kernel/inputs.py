"""The inputs of a build, and the keys that stand for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from .base import Base
from .files import sha256_of
from .patching import list_src
from .series import Patch, read_series
from .source import Source

#: Version of what is made of the same inputs: raise it when make.py or package.py change the result.
RECIPE = 1


@dataclass(frozen=True)
class Request:
    """What a user asks to build.

    Attributes:
        root: the checkout.
        base: kernel base.
        flavour: configuration flavour, without the debug suffix.
        debug: add debug.config.
        series: directory with another quilt series in place of ours, or None.
        src: directory with other new files in place of kernel/src, or None.
        revision: N of -mshareN, or None for one more than the highest.
        config: fragment in place of mshare.config, or None.
    """

    root: Path
    base: Base
    flavour: str
    debug: bool = False
    series: Path | None = None
    src: Path | None = None
    revision: int | None = None
    config: Path | None = None

    @property
    def full_flavour(self) -> str:
        """The flavour as releases and packages spell it: "vm" or "vm-debug"."""
        return f"{self.flavour}-debug" if self.debug else self.flavour


@dataclass(frozen=True)
class Inputs:
    """Everything that the result of a build depends on, save its release name.

    Attributes:
        request: what was asked for.
        source: the source package.
        architecture: Debian's name.
        patches: the series.
        src: directory with the new files, or None for none.
        src_files: the files in it, relative.
        fragments: configuration fragments, in order.
        toolchain: tool -> version.
    """

    request: Request
    source: Source
    architecture: str
    patches: tuple[Patch, ...]
    src: Path | None
    src_files: tuple[Path, ...]
    fragments: tuple[Path, ...]
    toolchain: dict[str, str]

    def key(self) -> str:
        """SHA-256 over all inputs, in hex. Where files lie does not matter, what they hold does."""
        src = self.src or Path()
        return _digest(
            {
                "recipe": RECIPE,
                "source": [self.source.package, self.source.version, self.source.sha256],
                "architecture": self.architecture,
                "flavour": self.request.full_flavour,
                "patches": [[patch.name, patch.sha256] for patch in self.patches],
                "src": [[str(file), sha256_of(src / file)] for file in self.src_files],
                "config": [[path.name, sha256_of(path)] for path in self.fragments],
                "toolchain": self.toolchain,
            }
        )


def _adds_mshare(patches: Iterable[Patch]) -> bool:
    """Whether the symbol CONFIG_MSHARE is there once these are applied."""
    return any(b"+config MSHARE" in patch.path.read_bytes().splitlines() for patch in patches)


def _write_any(patches: Iterable[Patch], files: Iterable[Path]) -> bool:
    """Whether the patches write one of these files, which are not in the tree without them."""
    lines = {f"+++ b/{file}".encode() for file in files}
    return any(
        line.split(b"\t")[0] in lines for patch in patches for line in patch.path.read_bytes().splitlines()
    )


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def build_key(inputs_key: str, release: str) -> str:
    """The key of a build: that of its inputs, and the name it is given."""
    return _digest([inputs_key, release])


def gather(request: Request, source: Source, architecture: str, toolchain: dict[str, str]) -> Inputs:
    """Find all inputs of a build in the checkout and in what the request names.

    Ours are kernel/patches/BASE, kernel/src and the fragments FLAVOUR.config, mshare.config and, with debug,
    debug.config. Another series stands in for the patches. When it adds CONFIG_MSHARE, kernel/src comes with
    it, unless it makes one of these files itself, and so does mshare.config; the latter also when the request
    names new files. A file `config` beside the series takes the place of mshare.config, as the request's own
    fragment does.

    Raises:
        UserError: a file or directory is missing or wrong.
    """
    request.base.check_flavour(request.flavour)
    kernel = request.root / "kernel"
    config = kernel / "config"
    series = request.series or kernel / "patches" / request.base.series
    patches = read_series(series)
    mshare = request.series is None or request.src is not None or _adds_mshare(patches)
    src = request.src
    if src is None and mshare and not (request.series and _write_any(patches, list_src(kernel / "src"))):
        src = kernel / "src"
    if src is not None and not src.is_dir():
        raise UserError(
            f"there is no directory {src}", "name the directory with the new files of the kernel tree"
        )
    fragments = [config / f"{request.flavour}.config"]
    if request.config:
        fragments.append(request.config)
    elif request.series and (series / "config").is_file():
        fragments.append(series / "config")
    elif mshare:
        fragments.append(config / "mshare.config")
    if request.debug:
        fragments.append(config / "debug.config")
    for path in fragments:
        if not path.is_file():
            raise UserError(f"there is no configuration fragment {path}", "add it, or choose another flavour")
    return Inputs(
        request=request,
        source=source,
        architecture=architecture,
        patches=patches,
        src=src,
        src_files=tuple(list_src(src)) if src else (),
        fragments=tuple(fragments),
        toolchain=toolchain,
    )
