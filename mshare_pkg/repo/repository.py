"""The repository on disk, and how a build gets into it.

    REPO/apt/                  what hosts see: dists (a link to a snapshot), snapshots/, pool/, mshare.gpg
    REPO/builds/RELEASE.json   what was published, the source of the index
    REPO/lock                  held while it is changed

A publication adds files to the pool, then the record of the build, then a whole new signed index in a
snapshot directory, and puts it in force by replacing one link. Interrupted anywhere, the old index stays in
force and the next publication goes on. The index is written here because reprepro 5.3 keeps one version of a
package only: an older metapackage, or the tools of an older build, could not be installed again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import ui
from ..errors import UserError
from ..hosttools import PACKAGE as TOOLS
from ..kernel.files import copy_file, locked, sha256_of, write_json
from . import signing
from .index import SUITE, write_suite
from .manifest import Build, Package

#: Builds whose packages stay installable, and signed snapshots kept, by default.
KEEP_BUILDS = 10
KEEP_SNAPSHOTS = 3
PUBLIC_KEY = "mshare.gpg"


@dataclass(frozen=True)
class Published:
    """A build in the repository: release, build id, when (UTC, ISO 8601), and its packages."""

    release: str
    build_id: str
    published: str
    packages: tuple[Package, ...]

    def same_kernel(self, build: Build) -> bool:
        """Whether a build has the very same kernel packages; the hosts' tools have a version of their own."""
        mine, other = (
            [package for package in packages if package.name != TOOLS]
            for packages in (self.packages, build.packages)
        )
        return self.build_id == build.build_id and _contents(mine) == _contents(other)


def _contents(packages: Iterable[Package]) -> set[tuple[str, str, str]]:
    """What tells packages apart, wherever their files are."""
    return {(one.name, one.version, one.sha256) for one in packages}


@dataclass(frozen=True)
class Outcome:
    """What a publication did: whether anything changed, release, key, and the releases that it retired."""

    changed: bool
    release: str
    fingerprint: str
    retired: tuple[str, ...]


class Repository:
    """An apt repository in a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.apt = self.path / "apt"

    @property
    def public_key(self) -> Path:
        """The key that hosts trust for this repository."""
        return self.apt / PUBLIC_KEY

    def builds(self) -> list[Published]:
        """What is published, oldest first."""
        found = [self._read(path) for path in (self.path / "builds").glob("*.json")]
        return sorted(found, key=lambda one: (one.published, one.release))

    def _read(self, path: Path) -> Published:
        data: dict[str, Any] = json.loads(path.read_text())
        bare = [Package(**item, path=self.apt) for item in data["packages"]]
        packages = tuple(replace(one, path=self.apt / one.pool_path) for one in bare)
        return Published(data["release"], data["build_id"], data["published"], packages)

    def publish(self, build: Build, gnupg_home: Path, key: str = "", keep: int = KEEP_BUILDS) -> Outcome:
        """Put a build into the repository; the same build a second time changes nothing.

        Args:
            build: as `manifest.load` returns it, its packages verified.
            gnupg_home, key: see `signing.signer`.
            keep: builds that stay installable; older ones go.

        Raises:
            UserError: the release, or a version of a package, is published with other content.
        """
        self.apt.mkdir(parents=True, exist_ok=True)
        waiting = lambda: ui.say(f"{self.path} is being changed by another process: waiting")  # noqa: E731
        with locked(self.path / "lock", waiting), signing.signer(gnupg_home, key) as signer:
            published = self.builds()
            self._refuse_conflicts(build, published)
            changed = self._add(build, published)
            retired = self._retire(keep, build.release)
            changed = self._refresh_index(signer) or changed
            self._sweep()
            return Outcome(changed or bool(retired), build.release, signer.fingerprint, retired)

    def _refuse_conflicts(self, build: Build, published: Iterable[Published]) -> None:
        remedy = "build with another --revision, or publish to a new repository"
        for old in published:
            if old.release == build.release and not old.same_kernel(build):
                said = f"published on {old.published} with build id {old.build_id}"
                raise UserError(f"publishing {build.release}: it is {said}, and this one differs", remedy)
            known = {(one.name, one.version, one.architecture): one.sha256 for one in old.packages}
            for package in build.packages:
                name = (package.name, package.version, package.architecture)
                if known.get(name, package.sha256) != package.sha256:
                    said = (
                        f"{package.name} {package.version} is published, with other content, by {old.release}"
                    )
                    raise UserError(f"publishing {build.release}: {said}", f"raise its version; or {remedy}")

    def _add(self, build: Build, published: Iterable[Published]) -> bool:
        added = False
        for package in build.packages:
            target = self.apt / package.pool_path
            if not target.is_file() or sha256_of(target) != package.sha256:
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(package.path, target)
                added = True
        before = next((old for old in published if old.release == build.release), None)
        if before and _contents(before.packages) == _contents(build.packages):
            return added
        records = self.path / "builds"
        records.mkdir(exist_ok=True)
        items = [
            {name: value for name, value in asdict(one).items() if name != "path"} for one in build.packages
        ]
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        write_json(
            records / f"{build.release}.json",
            {
                "release": build.release,
                "build_id": build.build_id,
                "published": before.published if before else now,
                "packages": items,
            },
        )
        return True

    def _retire(self, keep: int, current: str) -> tuple[str, ...]:
        builds = [one.release for one in self.builds()]
        gone = tuple(release for release in builds[: max(len(builds) - keep, 0)] if release != current)
        for release in gone:
            (self.path / "builds" / f"{release}.json").unlink()
        return gone

    def _packages(self) -> dict[str, Package]:
        return {one.pool_path: one for build in self.builds() for one in build.packages}

    def _refresh_index(self, signer: signing.Signer) -> bool:
        """Put a new snapshot in force, unless the present one lists the same and has the same key."""
        packages = self._packages()
        state = {"key": signer.fingerprint, "packages": sorted(one.sha256 for one in packages.values())}
        dists = self.apt / "dists"
        in_force = dists.resolve() if dists.is_symlink() else None
        if in_force and in_force.is_dir() and self.public_key.is_file():
            try:
                if json.loads((in_force / "state.json").read_text()) == state:
                    return False
            except (OSError, ValueError):
                ui.say(f"{in_force} is incomplete: writing the index again")
        snapshots = self.apt / "snapshots"
        snapshots.mkdir(exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=snapshots))
        try:
            release = write_suite(scratch / SUITE, packages.values(), in_force / SUITE if in_force else None)
            signer.sign(release)
            signer.export(scratch / PUBLIC_KEY)
            signing.verify(release.with_name("InRelease"), scratch / PUBLIC_KEY)
            write_json(scratch / "state.json", state)
            scratch.chmod(0o755)
            copy_file(scratch / PUBLIC_KEY, self.public_key)
            target = snapshots / f"{self._serial() + 1:06d}"
            scratch.rename(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        link = self.apt / ".dists.new"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("snapshots") / target.name, target_is_directory=True)
        link.replace(dists)
        return True

    def _serial(self) -> int:
        return max((int(one.name) for one in self._snapshots()), default=0)

    def _snapshots(self) -> list[Path]:
        return sorted(one for one in (self.apt / "snapshots").iterdir() if one.name.isdigit())

    def _sweep(self) -> None:
        """Remove old snapshots, and packages that no retained build has."""
        for old in self._snapshots()[:-KEEP_SNAPSHOTS]:
            shutil.rmtree(old)
        for left in (self.apt / "snapshots").glob(".new-*"):
            shutil.rmtree(left)
        wanted = self._packages()
        for path in (self.apt / "pool").rglob("*.deb"):
            if str(path.relative_to(self.apt)) not in wanted:
                path.unlink()
