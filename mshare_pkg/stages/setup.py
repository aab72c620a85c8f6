"""Make a checkout ready for work: Debian packages, .venv, the link that makes it an Ansible collection."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from ..errors import InfraError
from ..run import run

#: The oldest Python that the package supports; pyproject.toml says the same.
MIN_PYTHON = (3, 11)
#: Written to by each `apt-get update`, whether or not the archive had news.
APT_PARTIAL = Path("/var/lib/apt/lists/partial")
#: Lists older than this, in seconds, are fetched anew: a mirror keeps only the newest kernel source.
MAX_LIST_AGE = 24 * 3600


def wanted_packages(listing: str) -> list[str]:
    """The Debian packages that a list names: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in listing.splitlines())
    return [line for line in lines if line]


def missing_packages(wanted: list[str]) -> list[str]:
    """Those of the wanted Debian packages that are not installed, in the order given."""
    asked = run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        doing="asking which packages are installed",
        check=False,
    )
    rows = (line.split() for line in asked.stdout.splitlines())
    there = {name for name, *status in rows if status == ["installed"]}
    return [name for name in wanted if name not in there]


def install_packages(missing: list[str]) -> None:
    """Install Debian packages; the package lists are fetched anew only when apt cannot do with those it has.

    Raises:
        InfraError: not root, or apt failed.
    """
    if not missing:
        return
    what = ["install", "--yes", "--no-install-recommends", *missing]
    # A machine that was just made may be busy with its own updates.
    install = ["apt-get", *what, "-o", "DPkg::Lock::Timeout=300"]
    if os.geteuid() != 0:
        raise InfraError(
            f"{len(missing)} Debian packages are missing: {' '.join(missing)}",
            f"sudo apt-get update && sudo apt-get {shlex.join(what)}",
        )
    print(f"setup: installing {' '.join(missing)}", flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if run(install, doing="installing packages", env=quiet, check=False).returncode == 0:
        return
    run(["apt-get", "update"], doing="updating apt's package lists")
    run(install, doing="installing packages", env=quiet)


def refresh_lists() -> None:
    """As root, fetch apt's package lists when they are older than a day; a failure is told and no error.

    The kernel build asks them for Debian's newest source, and a fresh machine has none or old ones.
    """
    fresh = APT_PARTIAL.is_dir() and time.time() - APT_PARTIAL.stat().st_mtime < MAX_LIST_AGE
    if fresh or os.geteuid() != 0:
        return
    print("setup: updating apt's package lists", flush=True)
    done = run(["apt-get", "update"], doing="updating apt's package lists", check=False)
    if done.returncode != 0:
        print(f"setup: going on with the lists that are there: {done.stderr.strip()}", flush=True)


def ensure_packages(root: Path) -> None:
    """Install what packages.txt lists and this machine lacks.

    Raises:
        InfraError: not a Debian machine, not root, or apt failed.
    """
    wanted = wanted_packages((root / "packages.txt").read_text())
    if shutil.which("dpkg-query") is None:
        raise InfraError(
            "the controller is no Debian machine: dpkg-query is not there",
            "use Debian 12, for example in a container; packages.txt lists what is needed",
        )
    refresh_lists()
    install_packages(missing_packages(wanted))


def interpreter() -> str:
    """The Python to make .venv with: never the one inside it."""
    return str(getattr(sys, "_base_executable", sys.executable))


def venv_stamp(root: Path) -> tuple[str, str]:
    """What .venv is made for: the digest of pyproject.toml; the Python and the checkout's place."""
    digest = hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest()
    return digest, f"python {sys.version_info[0]}.{sys.version_info[1]} in {root}"


def ensure_venv(root: Path) -> bool:
    """Make .venv with the package and its tools, unless it was made from the same pyproject.toml.

    Returns:
        Whether something was installed.

    Raises:
        InfraError: venv or pip failed.
    """
    venv = root / ".venv"
    stamp = venv / "mshare-stamp"
    want = venv_stamp(root)
    have = tuple(stamp.read_text().splitlines()) if stamp.is_file() else None
    if have == want:
        return False
    moved = have is not None and have[1:] != want[1:]
    print("setup: installing the package and its tools into .venv", flush=True)
    stamp.unlink(missing_ok=True)
    run(
        [interpreter(), "-m", "venv", *(["--clear"] if moved else []), venv],
        doing="making .venv",
        remedy="install python3-venv for this Python, or run make PYTHON=/usr/bin/python3 setup",
    )
    run(
        [
            venv / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "-q",
            "-e",
            f"{root}[dev]",
        ],
        doing="installing the package and its tools into .venv",
        remedy="see the message above; remove .venv to begin anew",
    )
    stamp.write_text("\n".join(want) + "\n")
    return True


def link_collection(root: Path) -> None:
    """Make the checkout found as the collection mshare.fleet: ansible.cfg names build/collections."""
    place = root / "build" / "collections" / "ansible_collections" / "mshare"
    place.mkdir(parents=True, exist_ok=True)
    link = place / "fleet"
    target = os.path.relpath(root, place)
    if not link.is_symlink() or link.readlink() != Path(target):
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def setup(root: Path) -> None:
    """Do all of it; what is there already takes no time.

    Raises:
        InfraError: a part of it failed; the message says which and what to do.
    """
    if sys.version_info < MIN_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise InfraError(
            f"Python {found} is too old: 3.11 or newer is needed",
            "name one: make PYTHON=/usr/bin/python3.11 setup",
        )
    ensure_packages(root)
    ensure_venv(root)
    link_collection(root)
