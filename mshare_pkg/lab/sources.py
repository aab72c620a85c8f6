"""Where Debian's packages come from: the controller's own apt sources, and the versions they offer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InfraError
from ..run import run

#: Archive keys; in Debian's package debian-archive-keyring, which every Debian system has.
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_REMEDY = (
    "run `apt-get update` as root, with Debian 12's main, updates and security archives in apt's sources"
)

#: Settings of the controller's apt that reaching the archive may depend on.
_SETTINGS = re.compile(r"Acquire::(http|https|ftp|Retries|Check-Date|Check-Valid-Until)\b")


@dataclass(frozen=True)
class Sources:
    """What mmdebstrap needs to know of the archive.

    Attributes:
        lines: one-line apt sources.
        options: lines of apt configuration.
    """

    lines: tuple[str, ...]
    options: tuple[str, ...]


def of_controller(suite: str) -> Sources:
    """The controller's own sources of Debian's `suite`, its updates and its security updates.

    Raises:
        InfraError: apt has no such source, or never fetched its list.
    """
    text = run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)\t$(CODENAME)\t$(COMPONENT)\t$(REPO_URI)",
            "Created-By: Packages",
        ],
        doing="asking apt for its sources",
    ).stdout
    config = run(["apt-config", "dump"], doing="asking apt for its settings").stdout
    lines = parse_targets(text, suite)
    if not any(line.endswith(f" {suite} main") for line in lines):
        raise InfraError(f"apt on this machine offers no packages of Debian's {suite}", _REMEDY)
    return Sources(lines, tuple(line for line in config.splitlines() if _SETTINGS.match(line)))


def parse_targets(text: str, suite: str) -> tuple[str, ...]:
    """One-line sources from lines of origin, codename, component and address, separated by tabs."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    lines = []
    for row in text.splitlines():
        origin, codename, component, address = row.split("\t")
        if origin == "Debian" and codename in wanted and component == "main":
            lines.append(f"deb [signed-by={KEYRING}] {address} {codename} main")
    return tuple(dict.fromkeys(lines))


def candidates(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package that apt would install now.

    Raises:
        InfraError: apt knows no version of one of them.
    """
    names = sorted(packages)
    text = run(
        ["apt-cache", "policy", *names], doing="asking apt for versions", env={"LC_ALL": "C.UTF-8"}
    ).stdout
    versions = parse_policy(text)
    missing = [name for name in names if name not in versions]
    if missing:
        raise InfraError(f"apt on this machine knows no version of {', '.join(missing)}", _REMEDY)
    return {name: versions[name] for name in names}


def parse_policy(text: str) -> dict[str, str]:
    """Package -> candidate version, from the output of `apt-cache policy`; those without one are left out."""
    versions = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
            versions[name] = line.removeprefix("  Candidate: ")
    return versions
