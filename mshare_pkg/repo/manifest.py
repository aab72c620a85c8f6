"""What a build made, as its build.json says; checked against the packages before anything is published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..kernel.files import sha256_of
from ..run import run

SCHEMA = 1


@dataclass(frozen=True)
class Package:
    """One Debian package: its names, size in bytes, SHA-256 in hex, control stanza, and file."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    control: str
    path: Path

    @property
    def pool_path(self) -> str:
        """Where it lies below REPO/apt."""
        version = self.version.partition(":")[2] or self.version
        return f"pool/main/{self.name}/{self.name}_{version}_{self.architecture}.deb"


@dataclass(frozen=True)
class Build:
    """A build: kernel release, GNU build id of its kernel in hex, and its packages."""

    release: str
    build_id: str
    packages: tuple[Package, ...]


def fields(control: str) -> dict[str, str]:
    """The single-line fields of a control stanza."""
    pairs = (line.partition(":") for line in control.splitlines() if line[:1] not in ("", " ", "\t", "#"))
    return {name: value.strip() for name, _colon, value in pairs}


def load(directory: Path) -> Build:
    """Read DIR/build.json and check every package it names: size, SHA-256, name and version.

    Raises:
        UserError: there is no such build, or a package is not what build.json says.
    """
    path = directory / "build.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise UserError(
            f"reading the build: no {path}", "run mshare kernel build, or name its output"
        ) from error
    except ValueError as error:
        raise UserError(f"reading the build: {path} is not JSON: {error}", "build again") from error
    if data.get("schema") != SCHEMA:
        raise UserError(
            f"{path} has schema {data.get('schema')}, not {SCHEMA}", "build with this version of mshare"
        )
    try:
        packages = tuple(_package(directory, item) for item in data["packages"])
        return Build(str(data["release"]), str(data["build_id"]), packages)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is incomplete: {error}", "build again") from error


def _package(directory: Path, item: dict[str, Any]) -> Package:
    path = directory / item["path"]
    remedy = "build again; nothing was published"
    if not path.is_file():
        raise UserError(f"checking {item['name']}: no file {path}", remedy)
    size, sha256 = path.stat().st_size, sha256_of(path)
    if (size, sha256) != (item["size"], item["sha256"]):
        found = f"{size} bytes, sha256 {sha256}"
        said = f"{item['size']} bytes, {item['sha256']}"
        raise UserError(f"checking {path}: it is not what build.json says: {found}; not {said}", remedy)
    control = run(["dpkg-deb", "--field", path], doing=f"reading {path.name}").stdout.strip()
    found_fields = fields(control)
    for name, want in (("Package", item["name"]), ("Version", item["version"])):
        if found_fields.get(name) != want:
            raise UserError(f"checking {path}: its {name} is {found_fields.get(name)}, not {want}", remedy)
    return Package(item["name"], item["version"], found_fields["Architecture"], size, sha256, control, path)
