"""Mutants: kernels with one property broken on purpose, each of which a selftest must notice.

kernel/mutants holds a patch for each, made for the tree that our series has made. A test that passes on a
mutant checks nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import ui
from ..errors import CheckFailed, UserError
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

_HEADER = re.compile(r"Subject: (?P<subject>.+)\nFails: (?P<program>\w+): (?P<case>.+)\n---\n")


@dataclass(frozen=True)
class Mutant:
    """What is broken, and the program and the (part of the name of the) case that must fail."""

    name: str
    subject: str
    program: str
    case: str
    path: Path

    def patch(self) -> Patch:
        """The patch, as a series would have it."""
        return Patch(self.path.name, self.path, "mutants")

    def test(self) -> Program:
        """The program, with the one case."""
        return Program(self.program, full=("-q", "-c", self.case))


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
        if match is None or match["program"] not in known:
            raise UserError(
                f"{path} does not begin with Subject: and Fails: PROGRAM: CASE",
                "name a selftest and its case",
            )
        found[path.stem] = Mutant(path.stem, match["subject"], match["program"], match["case"], path)
    for name in only:
        if name not in found:
            raise UserError(f"there is no mutant {name}", f"name some of: {', '.join(found) or '(none)'}")
    return [mutant for name, mutant in found.items() if not only or name in only]


def verdict(result: Result, mutant: Mutant) -> str:
    """How the selftests noticed a mutant; empty when they did not.

    A kernel that dies or complains while the case runs has been noticed, too.
    """
    for run in result.runs:
        for case in run.report.cases:
            if case.outcome == "failed" and mutant.case in case.name:
                return "the case failed"
    if result.findings:
        return f"the kernel complained: {result.findings[0].line}"
    return result.problems[0].splitlines()[0] if result.problems else ""


def passes(result: Result, mutant: Mutant) -> bool:
    """Whether the case ran and passed, and nothing else is wrong: as it must be without the mutant."""
    runs = [run for run in result.runs if run.name == mutant.program]
    cases = [case for run in runs for case in run.report.cases if mutant.case in case.name]
    return result.ok and bool(cases) and all(case.outcome == "passed" for case in cases)


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
            result = test([each.test() for each in mutants], "none")
            if broken := [f"{each.program}: {each.case}" for each in mutants if not passes(result, each)]:
                raise CheckFailed(
                    f"{', '.join(broken)}: does not pass on the kernel without a mutant\n"
                    + "\n".join(result.failures()),
                    "mend the test, or the name of the case in kernel/mutants",
                )
            continue
        noticed[mutant.name] = verdict(test([mutant.test()], mutant.name), mutant)
        ui.say(f"  {mutant.name}: {noticed[mutant.name] or 'NOT NOTICED'} ({mutant.program}: {mutant.case})")
    if alive := [name for name, how in noticed.items() if not how]:
        raise CheckFailed(
            f"{len(alive)} of {len(noticed)} mutants were not noticed: {', '.join(alive)}",
            "the case that each names checks too little",
        )
    return noticed
