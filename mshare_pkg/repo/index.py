"""The index of an apt repository: Packages and Release files. One suite, one component, one architecture."""

from __future__ import annotations

import hashlib
import lzma
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from .manifest import Package

SUITE = "mshare"
COMPONENT = "main"
ARCHITECTURE = "amd64"


def packages_text(packages: Iterable[Package]) -> str:
    """The Packages file: a stanza for each package and version, sorted."""
    stanzas = []
    for package in sorted(packages, key=lambda one: (one.name, one.version, one.architecture)):
        where = f"Filename: {package.pool_path}\nSize: {package.size}\nSHA256: {package.sha256}\n"
        stanzas.append(f"{package.control.strip()}\n{where}")
    return "\n".join(stanzas)


def release_text(files: dict[str, bytes], when: datetime) -> str:
    """The Release file over index files (path below the suite to content)."""
    lines = [
        "Origin: mshare",
        "Label: mshare",
        f"Suite: {SUITE}",
        f"Codename: {SUITE}",
        f"Date: {when.astimezone(UTC):%a, %d %b %Y %H:%M:%S} UTC",
        f"Architectures: {ARCHITECTURE}",
        f"Components: {COMPONENT}",
        "Description: Linux kernels with msharefs, and their tools",
        "Acquire-By-Hash: yes",
        "SHA256:",
    ]
    for name, content in sorted(files.items()):
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
    return "\n".join(lines) + "\n"


def write_suite(directory: Path, packages: Iterable[Package], older: Path | None) -> Path:
    """Write the unsigned index of a suite into a new directory; returns its Release file.

    Args:
        directory: of the suite; made.
        packages: what it lists.
        older: directory of the suite as it was. Its index files stay reachable by hash, for a host that has
        read
            the old Release file when the new one takes its place.
    """
    text = packages_text(packages).encode()
    base = f"{COMPONENT}/binary-{ARCHITECTURE}"
    files = {f"{base}/Packages": text, f"{base}/Packages.xz": lzma.compress(text, preset=6)}
    by_hash = directory / base / "by-hash" / "SHA256"
    by_hash.mkdir(parents=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
        os.link(directory / name, by_hash / hashlib.sha256(content).hexdigest())
    if older is not None:
        for name in files:
            kept = older / name
            if kept.is_file():
                target = by_hash / hashlib.sha256(kept.read_bytes()).hexdigest()
                if not target.exists():
                    os.link(kept.resolve(), target)
    release = directory / "Release"
    release.write_text(release_text(files, datetime.now(UTC)))
    return release
