"""A kernel base: one series of upstream releases as a distribution packages it, described by a TOML file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ..errors import UserError
from ..paths import project_root


@dataclass(frozen=True)
class Base:
    """One kernel base.

    Attributes:
        series: its name, as `--base` and kernel/patches/ spell it ("6.12").
        upstream: bounds of the upstream version.
        source_package: Debian package with the source.
        architectures: Debian names of the architectures that it is built for.
        flavours: names that have a fragment in kernel/config.
        expected_objects: compile lines of a whole build, for the progress bar of a first one.
        tools: program -> Debian package that has it.
        headers: C header that host programs include -> Debian package that has it.
    """

    series: str
    upstream: SpecifierSet
    source_package: str
    architectures: tuple[str, ...]
    flavours: tuple[str, ...]
    expected_objects: int
    tools: dict[str, str]
    headers: dict[str, str]

    def check_upstream(self, version: str) -> None:
        """Check that an upstream version is one of this base.

        Raises:
            UserError: it is out of bounds, or no version.
        """
        try:
            inside = Version(version) in self.upstream
        except InvalidVersion:
            inside = False
        if not inside:
            raise UserError(
                f"base {self.series}: {self.source_package} has upstream version {version}, "
                f"which is not within {self.upstream}",
                "choose another base, or check that the patches apply to this version and widen the bounds "
                f"in kernel/bases/{self.series}.toml",
            )

    def check_flavour(self, flavour: str) -> None:
        """Check that a flavour is one of this base.

        Raises:
            UserError: it is not.
        """
        if flavour not in self.flavours:
            raise UserError(
                f"base {self.series} has no flavour {flavour!r}", f"it has: {', '.join(self.flavours)}"
            )


def upstream_version(debian_version: str) -> str:
    """The upstream part of a Debian version: "6.12.117-1~deb12u1" is of "6.12.117"."""
    return debian_version.split(":", 1)[-1].rsplit("-", 1)[0]


def parse(series: str, data: dict[str, Any], where: str) -> Base:
    """Make a base of the data of its TOML file; `where` names the file in errors.

    Raises:
        UserError: a key is missing or unknown, or has a wrong type.
    """
    types = {
        "upstream": str,
        "source_package": str,
        "architectures": list,
        "flavours": list,
        "expected_objects": int,
        "tools": dict,
        "headers": dict,
    }
    wrong = [key for key, kind in types.items() if not isinstance(data.get(key), kind)]
    unknown = sorted(data.keys() - types.keys())
    if wrong or unknown:
        missing, strange = ", ".join(wrong) or "none", ", ".join(unknown) or "none"
        raise UserError(
            f"{where}: missing or of a wrong type: {missing}; unknown: {strange}",
            "see docs/build.md for what a base states",
        )
    try:
        bounds = SpecifierSet(data["upstream"])
    except InvalidSpecifier as error:
        raise UserError(f"{where}: upstream: {error}", "write bounds such as >=6.12.90,<6.13") from error
    return Base(
        series=series,
        upstream=bounds,
        source_package=data["source_package"],
        architectures=tuple(data["architectures"]),
        flavours=tuple(data["flavours"]),
        expected_objects=data["expected_objects"],
        tools=dict(data["tools"]),
        headers=dict(data["headers"]),
    )


def load(series: str, root: Path | None = None) -> Base:
    """Read the base of that name from kernel/bases of the checkout `root`.

    Raises:
        UserError: there is none, or its file is wrong.
    """
    folder = (root or project_root()) / "kernel" / "bases"
    path = folder / f"{series}.toml"
    if not re.fullmatch(r"[0-9]+\.[0-9]+", series) or not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.toml"))) or "none"
        raise UserError(f"there is no kernel base {series!r}", f"the bases are: {known}")
    try:
        data = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}", "correct the file") from error
    return parse(series, data, str(path))
