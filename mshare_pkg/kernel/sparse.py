"""sparse, the kernel's semantic checker, over what the series adds: new files, and new lines of others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from .. import ui
from ..errors import InfraError
from ..run import run
from . import build as builds
from .config import configure
from .inputs import Request
from .mail import Mail, as_patches
from .patching import apply_series, touched

#: Programs of users: they are compiled with their headers, not the kernel's.
_NOT_KERNEL = ("Documentation/", "samples/", "tools/")

#: What kbuild prints for each file that it gives to the checker.
_CHECKED = re.compile(r"^ +CHECK +(?P<file>\S+)$", re.MULTILINE)
_SAID = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):\d+: +(?P<what>(?:warning|error): .*)$")


def new_lines(before: str, after: str) -> set[int]:
    """The numbers, from 1, of the lines of `after` that `before` does not have there."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    found: set[int] = set()
    for kind, _, _, first, end in matcher.get_opcodes():
        if kind != "equal":
            found.update(range(first + 1, end + 1))
    return found


def said_of(output: str, added: dict[str, set[int]]) -> list[str]:
    """What sparse printed of these lines of these files, each once, in order.

    Linux has errors of sparse of its own, such as RCU pointers without `__rcu` in mm/memcontrol-v1.c.

    Args:
        output: of make, errors included.
        added: path below the tree -> line numbers.
    """
    found: dict[str, None] = {}
    for line in output.splitlines():
        match = _SAID.match(line)
        if match and int(match["line"]) in added.get(match["file"].removeprefix("./"), ()):
            found[f"{match['file']}:{match['line']}: {match['what']}"] = None
    return list(found)


def check(ours: Request, unpatched: Request, mails: Sequence[Mail], jobs: int) -> tuple[list[str], int]:
    """Apply the series in a tree of its own, which is removed in the end, and run sparse over its C files.

    Args:
        ours: the build that the series ends in; its configuration is used.
        unpatched: the same without the series.
        mails: the series.
        jobs: compilers at once.

    Returns:
        What sparse says of the lines that the series adds, and the number of C files.

    Raises:
        UserError: a patch does not apply.
        InfraError: a file does not compile or was not checked, or sparse is not installed.
    """
    with builds.scratch_tree(unpatched, f"-sparse-{ours.full_flavour}", jobs) as (make, _):
        files = sorted({name for mail in mails for name in touched(mail.diff) if _is_code(name)})
        before = {name: _text(make.tree / name) for name in files}
        apply_series(make.tree, as_patches(make.tree.parent, mails))
        fragments = builds.plan(ours, register=False).inputs.fragments
        configure(make.tree, fragments, make.argv(), make.env())
        added = {name: new_lines(before[name], _text(make.tree / name)) for name in files}
        sources = [name for name in files if name.endswith(".c")]
        objects = [str(Path(name).with_suffix(".o")) for name in sources]
        with ui.step(f"sparse over {len(objects)} files"):
            done = run(
                make.argv("C=2", "CHECK=sparse -fmax-warnings=unlimited", *objects),
                doing="running sparse",
                cwd=make.tree,
                env=make.env(),
            )
    if missing := sorted(set(sources) - set(_CHECKED.findall(done.stdout))):
        raise InfraError(f"kbuild did not check {', '.join(missing)}", "is the Makefile's C=2 known?")
    return said_of(done.stdout + done.stderr, added), len(sources)


def _is_code(name: str) -> bool:
    return name.endswith((".c", ".h")) and not name.startswith(_NOT_KERNEL)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
