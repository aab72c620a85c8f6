"""The output directory of a build: packages, kernel image and, last of all, build.json, which names them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..hosttools import build_deb
from ..paths import cache_dir
from .files import copy_file, locked, sha256_of, write_json

#: Version of the layout of build.json.
SCHEMA = 1


def package_entry(kind: str, deb: Path, folder: Path) -> dict[str, Any]:
    """What build.json says of one package that lies below `folder`; name and version are in its file name."""
    name, version, _architecture = deb.stem.split("_")
    return {
        "name": name,
        "version": version,
        "kind": kind,
        "path": str(deb.relative_to(folder)),
        "size": deb.stat().st_size,
        "sha256": sha256_of(deb),
    }


def _named(build: dict[str, Any]) -> set[str]:
    """The files that a build.json names, relative to its directory."""
    return {package["path"] for package in build["packages"]} | {build["vmlinuz"], build["config"]}


def _previous(output: Path) -> set[str]:
    """The files of the build that lies in an output directory now; none when there is no build."""
    try:
        named = _named(json.loads((output / "build.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in named if (output / name).resolve().is_relative_to(output.resolve())}


def publish(stored: Path, output: Path) -> dict[str, Any]:
    """Bring a finished build to its output directory, with the hosts' tools beside the kernel's packages.

    Whoever reads build.json finds the files that it names: they are there before it is, and those of an
    earlier build go after it. Other files in the directory stay.

    Args:
        stored: directory of the finished build, verified.
        output: the output directory, made when missing.

    Returns:
        The content of build.json.

    Raises:
        UserError: the output directory can't be written.
    """
    lock = hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:16]
    with locked(cache_dir("locks") / f"output-{lock}"):
        build: dict[str, Any] = json.loads((stored / "build.json").read_text())
        before = _previous(output)
        try:
            (output / "packages").mkdir(parents=True, exist_ok=True)
            for name in sorted(_named(build)):
                copy_file(stored / name, output / name)
        except OSError as error:
            raise UserError(
                f"--output {output}: {error}", "name a directory that you can write to"
            ) from error
        with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
            made = build_deb(Path(scratch))
            tools = output / "packages" / made.name
            copy_file(made, tools)
        build["packages"].append(package_entry("tools", tools, output))
        write_json(output / "build.json", build)
        for name in before - _named(build):
            (output / name).unlink(missing_ok=True)
    return build
