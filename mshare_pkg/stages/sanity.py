"""`ansible-test sanity` over the collection's plugins.

ansible-test wants the collection at a path ending in ansible_collections/mshare/fleet, in a work tree of
its own, and makes virtual environments for its tests; each begins with a get-pip.py that it would download.
Here that file stands in its cache already and does the same with the pip that comes with Python, so nothing
but the package index is needed. All of its state lies in our cache, not in the user's home.

Roles are left out: their scripts are programs that run on the hosts, which ruff and ansible-lint check.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from ..errors import InfraError, MshareError
from ..paths import cache_dir, project_root
from ..run import run

#: What of the checkout is copied.
PARTS = ("galaxy.yml", "meta", "plugins", "tests/sanity", "README.md")

#: Stands in for get-pip.py: pip that comes with Python installs the pip that ansible-test asks for.
GET_PIP = """\
import ensurepip
import os
import runpy
import sys

ensurepip.bootstrap()
os.environ.pop("PIP_CONFIG_FILE", None)  # set by ensurepip; the user's settings hold from here on
unknown_to_pip = ("--no-setuptools", "--no-wheel")
sys.argv = ["pip", "install", *(word for word in sys.argv[1:] if word not in unknown_to_pip)]
runpy.run_module("pip", run_name="__main__")
"""


def pip_version() -> str:
    """The version of pip whose get-pip.py this ansible-test asks for, such as "24.2".

    Raises:
        InfraError: this ansible-test does not say.
    """
    spec = importlib.util.find_spec("ansible_test")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        text = (Path(place) / "_internal" / "python_requirements.py").read_text()
        if found := re.search(r"\bpip='([0-9.]+)'", text):
            return found[1]
    raise InfraError("ansible-test does not say which pip it wants", "mend pip_version for this ansible-core")


def prepare_home(home: Path) -> None:
    """Make a home directory for ansible-test: get-pip.py in its cache, and the user's pip settings."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{pip_version().replace('.', '_')}.py").write_text(GET_PIP)
    settings = home / ".config" / "pip"
    settings.parent.mkdir(exist_ok=True)
    settings.unlink(missing_ok=True)
    settings.symlink_to(Path.home() / ".config" / "pip")


def copy_collection(root: Path, target: Path) -> None:
    """Copy what is tested of the checkout to `target`, anew, as a git work tree of its own."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in PARTS:
        if (root / part).is_dir():
            shutil.copytree(root / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif (root / part).is_file():
            shutil.copy2(root / part, target / part)
    run(["git", "init", "--quiet", "."], doing="making the copy a work tree", cwd=target)


def main() -> int:
    """Run every sanity test over a copy of the plugins; print what ansible-test says."""
    root = project_root()
    try:
        home = cache_dir("ansible-test")
        prepare_home(home)
        target = root / "build" / "sanity" / "ansible_collections" / "mshare" / "fleet"
        copy_collection(root, target)
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        done = run(
            ["ansible-test", "sanity", "--python", python, "--color", "no"],
            doing="running ansible-test",
            cwd=target,
            env={"HOME": str(home)},
            check=False,
        )
    except MshareError as error:
        print(f"ansible-test: {error}", file=sys.stderr)
        return error.exit_code
    print(done.stdout + done.stderr)
    return min(done.returncode, 1)


if __name__ == "__main__":
    sys.exit(main())
