"""Toy builds for tests of the repository: small real Debian packages and a build.json."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path


def deb(directory: Path, name: str, version: str, content: str = "x", depends: str = "") -> dict[str, object]:
    """Build a package with one file; returns its entry in build.json."""
    tree = directory / f"tree-{name}-{version}"
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: t <t@example.org>\n"
    control += f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(f"{control}Description: toy\n of several\n lines\n")
    (tree / "usr/share/toy").mkdir(parents=True)
    (tree / "usr/share/toy" / name).write_text(content)
    path = directory / f"{name}_{version}_amd64.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, path],
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1"},  # the same bytes whenever it is built
    )
    data = path.read_bytes()
    return {
        "name": name,
        "version": version,
        "kind": "image",
        "path": path.name,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def build(directory: Path, revision: int, build_id: str = "", content: str = "x", tools: str = "") -> Path:
    """Make the output directory of a build: an image, its metapackage and, with a version, mshare-tools."""
    directory.mkdir(parents=True)
    release, version = f"6.12.117-mshare{revision}-vm", f"6.12.117-1+mshare{revision}"
    image = f"linux-image-{release}"
    packages = [
        deb(directory, image, version, content),
        deb(directory, "linux-image-mshare-vm", version, depends=f"{image} (= {version})"),
    ]
    if tools:
        packages.append(deb(directory, "mshare-tools", tools, content=tools))
    data = {"schema": 1, "release": release, "build_id": build_id or f"{revision:040x}", "packages": packages}
    (directory / "build.json").write_text(json.dumps(data))
    return directory
