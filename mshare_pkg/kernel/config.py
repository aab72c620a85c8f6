"""Kernel configuration: fragments merged from nothing, and every wish checked in the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import UserError
from ..run import run

_SET = re.compile(r"^(CONFIG_\w+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")

#: What a symbol is that a configuration does not name: hidden by its dependencies.
ABSENT = "absent"


def parse(text: str) -> dict[str, str]:
    """Symbol -> value of a fragment or a .config; "n" for "is not set" and for `=n`."""
    values = {}
    for line in text.splitlines():
        if match := _SET.match(line):
            values[match[1]] = match[2].strip()
        elif match := _UNSET.match(line):
            values[match[1]] = "n"
    return values


def merge(fragments: Sequence[Path]) -> dict[str, str]:
    """The wishes of all fragments; a later one wins."""
    wanted: dict[str, str] = {}
    for path in fragments:
        wanted.update(parse(path.read_text()))
    return wanted


def lost(wanted: Mapping[str, str], got: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The wishes that a .config does not fulfil: (symbol, wanted, got). Absent is as good as "n"."""
    found = []
    for symbol, value in sorted(wanted.items()):
        has = got.get(symbol, ABSENT)
        if has != value and not (value == "n" and has == ABSENT):
            found.append((symbol, value, has))
    return found


def configure(tree: Path, fragments: Sequence[Path], make: Sequence[str], env: Mapping[str, str]) -> None:
    """Write `tree`/.config: what the fragments ask for, and apart from that as little as can be.

    Args:
        tree: the patched kernel tree.
        fragments: configuration fragments; a later one wins.
        make: the make command, as for the build itself.
        env: its environment.

    Raises:
        UserError: a wish did not survive Kconfig; the error lists symbols, what was wanted and what came out.
        InfraError: make failed.
    """
    wanted = merge(fragments)
    wishes = tree / ".mshare.config"
    wishes.write_text(
        "".join(
            f"# {key} is not set\n" if value == "n" else f"{key}={value}\n" for key, value in wanted.items()
        )
    )
    run(
        [*make, "-s", "allnoconfig"],
        doing="configuring the kernel",
        cwd=tree,
        env={**env, "KCONFIG_ALLCONFIG": str(wishes.resolve())},
    )
    wrong = lost(wanted, parse((tree / ".config").read_text()))
    if wrong:
        lines = "\n".join(f"  {symbol}: wanted {want}, got {got}" for symbol, want, got in wrong)
        names = ", ".join(path.name for path in fragments)
        raise UserError(
            f"{len(wrong)} symbol(s) of the fragments {names} did not survive the kernel's Kconfig:\n{lines}",
            "ask for what the symbol depends on, too (the tree's Kconfig files tell), or drop the wish; "
            "a series without msharefs brings a file `config`, which takes the place of mshare.config",
        )
