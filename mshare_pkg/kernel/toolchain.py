"""The programs that a build needs: are they there, and which versions are they?"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable

from ..errors import InfraError, UserError
from ..run import run
from .base import Base

#: What the kernel calls the machine -> what Debian calls it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(base: Base) -> str:
    """Debian's name of this machine's architecture.

    Raises:
        UserError: the base is not built for it.
    """
    machine = platform.machine()
    name = ARCHITECTURES.get(machine, machine)
    if name not in base.architectures:
        raise UserError(
            f"base {base.series} is built for {', '.join(base.architectures)}, and this machine is {name}",
            "build on a machine of that architecture",
        )
    return name


def _header_is_there(name: str) -> bool:
    """Whether the C compiler finds a header."""
    result = run(
        ["gcc", "-E", "-x", "c", "-", "-o", "/dev/null"],
        doing=f"looking for {name}",
        stdin=f"#include <{name}>\n",
        check=False,
    )
    return result.returncode == 0


def check_tools(
    base: Base,
    which: Callable[[str], str | None] = shutil.which,
    header: Callable[[str], bool] = _header_is_there,
) -> None:
    """Check that every program and header that a base asks for is there; takes about 20 ms a header.

    Raises:
        InfraError: some are missing; the error names the Debian packages.
    """
    missing = {tool: package for tool, package in base.tools.items() if which(tool) is None}
    if "gcc" not in missing:
        missing |= {name: package for name, package in base.headers.items() if not header(name)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise InfraError(
            f"building base {base.series} needs what is not there: {', '.join(sorted(missing))}",
            f"run `apt-get install {packages}` as root, or `make setup`, which installs all of them",
        )


def versions() -> dict[str, str]:
    """First line of what compiler and linker say of their version: they are inputs of a build."""
    found = {}
    for tool in ("gcc", "ld"):
        said = run([tool, "--version"], doing=f"asking {tool} for its version", env={"LC_ALL": "C"}).stdout
        found[tool] = said.splitlines()[0].strip()
    return found
