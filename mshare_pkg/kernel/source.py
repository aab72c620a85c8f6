"""The kernel source as Debian's archive offers it: found, fetched, verified and unpacked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from ..errors import InfraError
from ..paths import cache_dir
from ..run import run
from .base import Base, upstream_version
from .files import sha256_of

#: What to do when apt knows nothing of the package.
NO_LISTS = (
    "run `apt-get update` as root; the package comes from Debian 12's security archive or Debian 13, "
    "so one of these must be among apt's sources"
)


@dataclass(frozen=True)
class Source:
    """A source package of the archive.

    Attributes:
        package: its name.
        version: its Debian version.
        sha256: of the .deb file, from the archive's signed index.
        path: where the .deb file is, once fetched (see `fetch`).
    """

    package: str
    version: str
    sha256: str
    path: Path

    @property
    def upstream(self) -> str:
        """The upstream version, "6.12.117"."""
        return upstream_version(self.version)


def offered(base: Base) -> Source:
    """The version of a base's source package that apt would install now, checked against the base's bounds.

    Nothing is fetched: what apt's signed indexes say is all that is needed.

    Raises:
        InfraError: apt has no lists, or the package is not in them.
        UserError: the version is out of the base's bounds.
    """
    shown = run(
        ["apt-cache", "show", "--no-all-versions", base.source_package],
        doing=f"asking apt for {base.source_package}",
        check=False,
        env={"LC_ALL": "C"},
    )
    fields = Parser().parsestr(shown.stdout.split("\n\n", 1)[0] if shown.returncode == 0 else "")
    version, sha256 = fields.get("Version"), fields.get("SHA256")
    if not version or not sha256:
        said = shown.stderr.strip() or "the package is installed, but no archive offers it"
        raise InfraError(f"apt does not offer {base.source_package}: {said}", NO_LISTS)
    base.check_upstream(upstream_version(version))
    place = cache_dir("sources", sha256)
    return Source(base.source_package, version, sha256, place / f"{base.source_package}.deb")


def fetch(source: Source) -> None:
    """Have the .deb file at `source.path`, downloaded when it is not there, and verified in any case.

    Raises:
        InfraError: the download failed, or what is there is not what the archive's index says.
    """
    if source.path.is_file():
        if sha256_of(source.path) == source.sha256:
            return
        source.path.unlink()
    with tempfile.TemporaryDirectory(dir=source.path.parent) as scratch:
        run(
            ["apt-get", "download", f"{source.package}={source.version}"],
            doing=f"fetching {source.package} {source.version}",
            cwd=Path(scratch),
            env={"LC_ALL": "C"},
            remedy="run `apt-get update` as root: the archive keeps only the newest version",
        )
        (got,) = Path(scratch).glob("*.deb")
        if (found := sha256_of(got)) != source.sha256:
            raise InfraError(
                f"{got.name}: its SHA-256 is {found}, the archive's signed index says {source.sha256}",
                "run `apt-get update` and build again; if it stays so, do not trust this mirror",
            )
        got.replace(source.path)


def unpack(source: Source, tree: Path) -> int:
    """Unpack the kernel tree of a fetched source into the directory `tree`, which must not exist.

    Returns:
        The time stamp of the source, seconds since the epoch: what builds state as their own time, so that
        the same input gives the same output.

    Raises:
        InfraError: the file does not hold a kernel tree.
    """
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        run(["dpkg-deb", "-x", source.path, scratch], doing=f"unpacking {source.path.name}")
        tarball = Path(scratch) / "usr" / "src" / f"{source.package}.tar.xz"
        if not tarball.is_file():
            raise InfraError(
                f"{source.path.name} holds no /usr/src/{tarball.name}", "is it the right package?"
            )
        part = tree.with_name(tree.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        run(
            ["tar", "-xJf", tarball, "--strip-components=1", "--no-same-owner", "-C", part],
            doing=f"unpacking {tarball.name}",
        )
        stamp = int(tarball.stat().st_mtime)
    part.replace(tree)
    return stamp
