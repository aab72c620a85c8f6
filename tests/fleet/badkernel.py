"""Make a build whose kernel panics at boot from a good one, without compiling: for the bad-day test.

The image package is taken apart and made again under another release, with one file more: an initramfs hook
that makes the init of *this* release's initramfs end, which is a panic ("Attempted to kill init!").
Everything else about it is as in any of our builds, so nothing but the boot can tell it apart.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from mshare_pkg.errors import UserError
from mshare_pkg.run import run

#: What the console shows before the panic.
LAST_WORDS = "mshare test: this initramfs ends its init on purpose"
HOOK = """#!/bin/sh
# /init sources what lies here, and the end of init is a panic.
[ "$1" = prereqs ] && exit 0
[ "$version" = "{release}" ] || exit 0
mkdir -p "$DESTDIR/conf/conf.d"
printf '%s\\n' 'echo "{words}" > /dev/kmsg' 'exit 1' > "$DESTDIR/conf/conf.d/zz-mshare-test-panic"
"""


def renumber(text: str, old: int, new: int) -> str:
    """A release, version or file with one revision of ours in place of another: `-mshare1-vm`, `+mshare1`."""
    return re.sub(rf"(?<=[-+]mshare){old}(?![0-9])", str(new), text)


def _rename(root: Path, old: int, new: int) -> None:
    """Rename files and directories, deepest first."""
    for path in sorted(root.rglob("*"), key=lambda one: len(one.parts), reverse=True):
        wanted = renumber(path.name, old, new)
        if wanted != path.name:
            path.rename(path.with_name(wanted))


def _rewrite(root: Path, old: int, new: int) -> None:
    """Change the texts in a package: control, maintainer scripts, copyright; binaries stay as they are."""
    for path in root.rglob("*"):
        if path.is_symlink():
            target = str(path.readlink())
            if renumber(target, old, new) != target:
                path.unlink()
                path.symlink_to(renumber(target, old, new))
        elif path.is_file():
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            if renumber(text, old, new) != text:
                path.write_text(renumber(text, old, new))
    (root / "DEBIAN" / "md5sums").unlink(missing_ok=True)


def _repack(deb: Path, target: Path, old: int, new: int, hook: str = "") -> None:
    root = target.parent / "root"
    shutil.rmtree(root, ignore_errors=True)
    run(["dpkg-deb", "--raw-extract", deb, root], doing=f"taking {deb.name} apart")
    _rename(root, old, new)
    _rewrite(root, old, new)
    if hook:
        place = root / "usr/share/initramfs-tools/hooks/mshare-test-panic"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(hook)
        place.chmod(0o755)
    run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, target],
        doing=f"making {target.name}",
    )
    shutil.rmtree(root)


def make(good: Path, target: Path, revision: int = 99) -> dict[str, Any]:
    """Make a build that panics at boot.

    Args:
        good: directory of a build, with its build.json.
        target: directory to make; build.json and packages go there.
        revision: our revision number of the bad build.

    Returns:
        The bad build's build.json: release and packages renumbered, image and metapackage made anew.

    Raises:
        UserError: the good build has that revision itself.
    """
    build: dict[str, Any] = json.loads((good / "build.json").read_text())
    old = build["revision"]
    if old == revision:
        raise UserError(f"the good build has revision {old} already", "give the bad one another")
    build.update(revision=revision, release=renumber(build["release"], old, revision))
    build["key"] = hashlib.sha256(f"{build['key']} panics".encode()).hexdigest()
    hook = HOOK.format(release=build["release"], words=LAST_WORDS)
    target.mkdir(parents=True, exist_ok=True)
    packages = []
    for item in build["packages"]:
        if item["kind"] == "headers":
            continue
        source, deb = good / item["path"], target / Path(item["path"]).name
        if item["kind"] in ("image", "meta"):
            item.update(
                name=renumber(item["name"], old, revision), version=renumber(item["version"], old, revision)
            )
            deb = target / renumber(deb.name, old, revision)
            _repack(source, deb, old, revision, hook if item["kind"] == "image" else "")
        else:
            shutil.copy(source, deb)
        content = deb.read_bytes()
        item.update(path=deb.name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        packages.append(item)
    build["packages"] = packages
    build.pop("vmlinuz", None)
    (target / "build.json").write_text(json.dumps(build, indent=2))
    return build
