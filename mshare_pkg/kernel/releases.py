"""Names for builds: every distinct build on this machine has a kernel release of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import UserError
from ..paths import data_dir
from .files import locked, write_json


def release_name(upstream: str, revision: int, flavour: str) -> str:
    """`uname -r` of a build: "6.12.117-mshare1-vm"."""
    return f"{upstream}-mshare{revision}-{flavour}"


def _read(path: Path) -> dict[str, str]:
    """Release -> key of the inputs that it was given to."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: {error}", "delete the file; releases are then numbered anew") from error
    return {str(release): str(key) for release, key in data.items()}


def choose(
    upstream: str, flavour: str, inputs_key: str, revision: int | None, *, register: bool = True
) -> int:
    """The revision (N of -mshareN) of a build: what the same inputs had, else one more than the highest.

    Args:
        upstream: upstream version of the kernel.
        flavour: with the debug suffix.
        inputs_key: key of the inputs.
        revision: the one that the user wants, or None.
        register: write the choice to the registry, so that no other inputs get it.

    Raises:
        UserError: the wanted revision belongs to other inputs.
    """
    return number(
        lambda candidate: release_name(upstream, candidate, flavour), inputs_key, revision, register=register
    )


def number(
    name: Callable[[int], str], inputs_key: str, wanted: int | None = None, *, register: bool = True
) -> int:
    """The number N that makes `name(N)` the name of these inputs and of no others on this machine.

    Args:
        name: the name with a number; names with other numbers differ in nothing else.
        inputs_key: key of the inputs.
        wanted: the number that the user wants, or None: what they had before, else one more than the highest,
            so that the newest content has the highest version.
        register: write the choice to the registry, so that no other inputs get it.

    Raises:
        UserError: the wanted number belongs to other inputs.
    """
    folder = data_dir()
    path = folder / "releases.json"
    with locked(folder / "releases.lock"):
        taken = _read(path)
        candidate = wanted or 1
        if wanted is None:
            used = {n: taken[name(n)] for n in range(1, _highest(taken) + 1) if name(n) in taken}
            mine = [n for n, key in used.items() if key == inputs_key]
            candidate = max(mine or [max(used, default=0) + 1])
        owner = taken.get(name(candidate))
        if owner not in (None, inputs_key):
            raise UserError(
                f"the release {name(candidate)} belongs to a build with other inputs",
                "leave out --revision, or name a number that is free: two kernels must not share a release",
            )
        if register and owner is None:
            write_json(path, {**taken, name(candidate): inputs_key})
    return candidate


def _highest(taken: Iterable[str]) -> int:
    """The highest number that any name of the registry has."""
    return max((int(found) for name in taken for found in re.findall(r"mshare(\d+)", name)), default=0)
