"""The kernel's own style checker over our C and the mails of the series, from the source that we build on."""

from __future__ import annotations

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..errors import CheckFailed, InfraError, MshareError
from ..kernel import mail
from ..kernel.base import load
from ..kernel.source import Source, fetch, offered
from ..paths import cache_dir, project_root
from ..run import run

#: The kernel base whose checker judges; the newest that we build.
BASE = "6.12"

#: What checkpatch.pl reads, by its place in the kernel tree.
PARTS = ("scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch")

#: What is checked: place under kernel/ -> place in a kernel tree.
PLACES = {"src": "", "selftests": "tools/testing/selftests"}

OPTIONS = ("--strict", "--no-tree", "--terse", "--show-types", "--no-summary", "--color=never")

#: Not for us: whose files these are in MAINTAINERS says who submits them, and `mount -t msharefs msharefs`
#: is a repeated word.
NOT_OF_MAILS = "--ignore=FILE_PATH_CHANGES,REPEATED_WORD"

SENDER = "checkpatch <checkpatch@example.org>"


def checker(source: Source) -> Path:
    """The directory with checkpatch.pl of a kernel source, unpacked into the cache once.

    Raises:
        InfraError: the source cannot be fetched, or holds no checkpatch.pl.
    """
    place = cache_dir("checkpatch", source.sha256)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = place / "scripts"
        if ready.is_dir():
            return ready
        fetch(source)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            run(["dpkg-deb", "-x", source.path, scratch], doing=f"unpacking {source.path.name}")
            tarball = Path(scratch) / "usr" / "src" / f"{source.package}.tar.xz"
            members = [f"*/{part}" for part in PARTS]
            run(
                ["tar", "-xJf", tarball, "-C", scratch, "--strip-components=1", "--wildcards", *members],
                doing="unpacking checkpatch.pl",
            )
            (Path(scratch) / "scripts").replace(ready)
    return ready


def stage(kernel: Path, tree: Path) -> dict[str, str]:
    """Copy our C sources to where they would stand in a kernel tree.

    The checker judges by place: selftests are user space, so they may use its types.

    Returns:
        Name in `tree` -> name under `kernel`, sorted.
    """
    shutil.rmtree(tree, ignore_errors=True)
    names: dict[str, str] = {}
    for place, target in PLACES.items():
        for path in sorted((kernel / place).rglob("*")):
            if path.suffix in (".c", ".h"):
                copy = tree / target / path.relative_to(kernel / place)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                names[str(copy.relative_to(tree))] = str(path.relative_to(kernel))
    return names


def check(scripts: Path, tree: Path, names: list[str], kind: Sequence[str]) -> list[str]:
    """What checkpatch.pl has to say of files in `tree`, a line each; empty when all is well.

    Raises:
        InfraError: perl or checkpatch.pl did not work.
    """
    if not names:
        return []
    done = run(
        ["perl", scripts / "checkpatch.pl", *OPTIONS, *kind, *names],
        doing="running checkpatch.pl",
        cwd=tree,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode not in (0, 1) or (done.returncode != 0 and not lines):
        raise InfraError(
            f"checkpatch.pl ended with {done.returncode}: {done.stderr.strip()}", "is perl installed?"
        )
    return lines


def main() -> int:
    """Check every C file under kernel/ and every mail of the series; print what checkpatch.pl says."""
    root = project_root()
    tree = root / "build" / "checkpatch"
    try:
        ours = stage(root / "kernel", tree)
        base = load(BASE, root)
        source = offered(base)
        scripts = checker(source)
        said = check(scripts, tree, list(ours), ["--file"])
        now = datetime.now(UTC)
        mails = mail.write_series(
            mail.collect(root, base.series),
            tree / "mails",
            series=base.series,
            sender=SENDER,
            signoff=True,
            now=now,
        )[1:]  # without the cover letter
        said += check(
            scripts, tree, [str(path.relative_to(tree)) for path in mails], ["--patch", NOT_OF_MAILS]
        )
        if said:
            for line in said:
                name, colon, rest = line.partition(":")
                shown = f"kernel/{ours[name]}" if name in ours else f"build/checkpatch/{name}"
                print(f"{shown}{colon}{rest}")
            raise CheckFailed(
                f"checkpatch.pl --strict has {len(said)} things to say", "mend what the lines name"
            )
    except MshareError as error:
        print(f"checkpatch: {error}", file=sys.stderr)
        return error.exit_code
    print(f"checkpatch of {source.upstream}: {len(ours)} C files and {len(mails)} mails are clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
