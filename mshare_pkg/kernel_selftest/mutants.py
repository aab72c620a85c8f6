"""Mutants: kernels with one property broken on purpose, each of which a selftest must notice.

kernel/mutants holds a patch for each, made for the tree that our series has made. A test that passes on a
mutant checks nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .. import ui
from ..errors import CheckFailed, InfraError, UserError
from ..kernel import build as builds
from ..kernel.compile import compile_tree
from ..kernel.files import locked
from ..kernel.inputs import Request, build_key
from ..kernel.make import IMAGE, Make
from ..kernel.patching import apply_series, touched
from ..kernel.series import Patch
from ..kernel.workspace import Workspace
from .programs import PROGRAMS, Program
from .result import Result

_HEADER = re.compile(r"Subject: (?P<subject>.+)\n(?P<fails>(?:Fails: .+\n)+)---\n")
_FAILS = re.compile(r"Fails: (?P<program>\w+): (?P<case>.+)")


@dataclass(frozen=True)
class Fail:
    """What must fail: a program, and (a part of the name of) one of its cases."""

    program: str
    case: str

    def test(self) -> Program:
        """The program, with the one case: quick, or for its whole time where chance decides what is tried."""
        program = next(each for each in PROGRAMS if each.name == self.program)
        return replace(program, full=(*(program.full or program.quick), "-c", self.case))

    def outcomes(self, result: Result) -> list[str]:
        """How the case ended in a run; nothing when it was not run."""
        runs = [run for run in result.runs if run.name == self.program]
        return [case.outcome for run in runs for case in run.report.cases if self.case in case.name]

    def __str__(self) -> str:
        return f"{self.program}: {self.case}"


@dataclass(frozen=True)
class Mutant:
    """What is broken, and what must fail then."""

    name: str
    subject: str
    fails: tuple[Fail, ...]
    path: Path

    def patch(self) -> Patch:
        """The patch, as a series would have it."""
        return Patch(self.path.name, self.path, "mutants")


def load(folder: Path, only: Sequence[str] = ()) -> list[Mutant]:
    """Read the mutants of a folder, by name.

    Args:
        folder: kernel/mutants.
        only: names; all of them when empty.

    Raises:
        UserError: there is none of a name, or a file does not say what must fail.
    """
    found = {}
    known = {program.name for program in PROGRAMS}
    for path in sorted(folder.glob("*.patch")):
        match = _HEADER.match(path.read_text())
        lines = match["fails"].splitlines() if match else []
        fails = [Fail(each["program"], each["case"]) for line in lines if (each := _FAILS.fullmatch(line))]
        if match is None or len(fails) != len(lines) or any(each.program not in known for each in fails):
            raise UserError(
                f"{path} does not begin with Subject: and Fails: PROGRAM: CASE",
                "name a selftest and its case",
            )
        found[path.stem] = Mutant(path.stem, match["subject"], tuple(fails), path)
    for name in only:
        if name not in found:
            raise UserError(f"there is no mutant {name}", f"name some of: {', '.join(found) or '(none)'}")
    return [mutant for name, mutant in found.items() if not only or name in only]


def verdict(result: Result, fail: Fail) -> str:
    """How a selftest noticed a mutant; empty when it did not.

    A kernel that dies or complains while the case runs has been noticed, too.

    Raises:
        InfraError: the guest did not come as far as the program, which says nothing about the test.
    """
    if "failed" in fail.outcomes(result):
        return "the case failed"
    if fail.program not in [run.name for run in result.runs]:
        raise InfraError(f"{fail.program} was not run: {'; '.join(result.problems)}", f"see {result.console}")
    if result.findings:
        return f"the kernel complained: {result.findings[0].line}"
    return result.problems[0].splitlines()[0] if result.problems else ""


@contextmanager
def applied(tree: Path, patch: Patch) -> Iterator[None]:
    """Have a patch in a tree for the length of a block.

    Raises:
        UserError: it does not apply.
    """
    saved = {name: (tree / name).read_bytes() for name in touched(patch.path.read_text())}
    apply_series(tree, [patch])
    try:
        yield
    finally:
        for name, content in saved.items():
            (tree / name).write_bytes(content)


class Trees:
    """Builds images of mutants in a work tree of their own; the compiler does what has changed."""

    def __init__(self, request: Request, jobs: int) -> None:
        planned = builds.plan(request, register=False)
        self._inputs = planned.inputs
        self._local = f"-mutant-{request.full_flavour}"
        self._release = f"{planned.inputs.source.upstream}{self._local}"
        self._work = Workspace(build_key(planned.inputs.key(), self._release))
        self._jobs = jobs

    def images(self, mutants: Sequence[Mutant], image: Path) -> Iterator[Mutant | None]:
        """Build the kernel without a mutant (None), then with each; `image` is the one that is yielded."""
        with locked(self._work.lock, lambda: ui.say("another process builds mutants: waiting for it")):
            make = self._work.prepare(self._inputs, self._local, self._jobs)
            self._compile(make, image)
            yield None
            for mutant in mutants:
                with applied(make.tree, mutant.patch()):
                    self._compile(make, image)
                    yield mutant

    def _compile(self, make: Make, image: Path) -> None:
        compile_tree(make, self._release, self._work.path / "compile.log", 1)
        shutil.copyfile(make.tree / IMAGE, image)


def hunt(
    mutants: Sequence[Mutant],
    images: Iterator[Mutant | None],
    test: Callable[[Sequence[Program], str], Result],
) -> dict[str, str]:
    """Try every mutant, after the kernel without any has passed the same cases.

    Args:
        mutants: all that `images` yields.
        images: None, then each mutant, when its kernel is there.
        test: runs programs on that kernel; the text names the run.

    Returns:
        Mutant -> how it was noticed.

    Raises:
        CheckFailed: a case fails without a mutant, or mutants were not noticed; the text names them.
    """
    noticed: dict[str, str] = {}
    for mutant in images:
        if mutant is None:
            _check_sound(mutants, test)
            continue
        hows = {fail: verdict(test([fail.test()], mutant.name), fail) for fail in mutant.fails}
        noticed[mutant.name] = "; ".join(hows.values()) if all(hows.values()) else ""
        for fail, how in hows.items():
            ui.say(f"  {mutant.name}: {how or 'NOT NOTICED'} ({fail})")
    if alive := [name for name, how in noticed.items() if not how]:
        raise CheckFailed(
            f"{len(alive)} of {len(noticed)} mutants were not noticed: {', '.join(alive)}",
            "the case that each names checks too little",
        )
    return noticed


def _check_sound(mutants: Sequence[Mutant], test: Callable[[Sequence[Program], str], Result]) -> None:
    """See the cases of all mutants pass, in one boot."""
    fails = list(dict.fromkeys(fail for mutant in mutants for fail in mutant.fails))
    result = test([fail.test() for fail in fails], "none")
    broken = [str(fail) for fail in fails if set(fail.outcomes(result)) != {"passed"}]
    if broken or not result.ok:
        raise CheckFailed(
            "on the kernel without a mutant: "
            + (f"{', '.join(broken)} did not pass\n" if broken else "all cases passed, and yet\n")
            + "\n".join(result.failures()),
            "mend the test, or the name of the case in kernel/mutants",
        )
