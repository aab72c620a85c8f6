"""Lay out and build the Debian package mshare-tools."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from pathlib import Path

from .. import __version__
from ..errors import UserError
from ..kernel.files import sha256_of
from ..kernel.releases import number
from ..paths import project_root
from ..run import run

PACKAGE = "mshare-tools"
#: Date of every file in the package, so that the same inputs give the same bytes: 2025-01-01 UTC.
EPOCH = 1735689600

_HERE = Path(__file__).parent
_DATA = _HERE / "debian"


def build_deb(output_dir: Path) -> Path:
    """Build `mshare-tools_<version>_all.deb` in a directory, which is made when missing; returns its path.

    The same sources give the same bytes, on any day and for any user. The version is the project's and a
    number (`0.1.0+mshare2`) that other contents never have on this machine, and later ones a higher one: what
    changed reaches hosts that have the package already.

    Raises:
        UserError: there is no checkout around, or it has no module_utils.
        InfraError: dpkg-deb failed.
    """
    sources = sorted((project_root() / "plugins" / "module_utils").glob("mshare_*.py"))
    if not sources:
        raise UserError("building mshare-tools: plugins/module_utils is empty", "use a complete checkout")
    output_dir.mkdir(parents=True, exist_ok=True)
    version = _version(sources)
    target = output_dir / f"{PACKAGE}_{version}_all.deb"
    with tempfile.TemporaryDirectory(dir=output_dir, prefix=".mshare-tools-") as scratch:
        tree = Path(scratch) / "tree"
        _lay_out(tree, sources, version)
        made = Path(scratch) / target.name
        run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", tree, made],
            doing=f"building {target.name}",
            env={"SOURCE_DATE_EPOCH": str(EPOCH)},
            remedy="install the package dpkg",
        )
        made.replace(target)
    return target


def _version(sources: list[Path]) -> str:
    """The version of what would be packed now, with the number that the registry of releases has for it."""
    content = hashlib.sha256()
    data = [path for folder in ("bin", "debian", "man", "units") for path in (_HERE / folder).iterdir()]
    for path in sorted([*sources, *data, Path(__file__)]):
        content.update(f"{path.parent.name}/{path.name} {sha256_of(path)}\n".encode())
    name = f"{__version__}+mshare{{}}".format
    return name(number(lambda candidate: f"{PACKAGE} {name(candidate)}", content.hexdigest()))


def _lay_out(tree: Path, sources: list[Path], version: str) -> None:
    """Make the file system tree of the package, with modes and dates that do not depend on the builder."""
    python = tree / "usr/lib/python3/dist-packages/mshare_tools"
    for source in sources:
        _put(python / source.name, source.read_bytes())
    about = '"""What hosts with msharefs run; the same files as plugins/module_utils of mshare.fleet."""\n'
    _put(python / "__init__.py", f'{about}\n__version__ = "{version}"\n'.encode())
    _put(tree / "usr/bin/mshare", (_HERE / "bin/mshare").read_bytes(), 0o755)
    for unit in sorted((_HERE / "units").iterdir()):
        _put(tree / "usr/lib/systemd/system" / unit.name, unit.read_bytes())
    for page in sorted((_HERE / "man").iterdir()):
        _put(tree / f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz", _gzipped(page.read_bytes()))
    documents = tree / "usr/share/doc" / PACKAGE
    _put(documents / "copyright", (_DATA / "copyright").read_bytes())
    _put(documents / "changelog.gz", _gzipped(_filled("changelog", version=version)))
    (tree / "etc/mshare/regions.d").mkdir(parents=True)
    kib = sum(-(-path.stat().st_size // 1024) for path in tree.rglob("*") if path.is_file())
    _put(tree / "DEBIAN/control", _filled("control", version=version, installed_size=str(kib)))
    for script in ("postinst", "prerm", "postrm"):
        _put(tree / "DEBIAN" / script, (_DATA / script).read_bytes(), 0o755)
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (EPOCH, EPOCH))


def _put(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=9, mtime=0)


def _filled(name: str, **values: str) -> bytes:
    """A template of the directory debian/ with its @NAMES@ filled in."""
    text = (_DATA / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    return text.encode()
