"""The series, patch by patch: the kernel must build and boot after each, or nobody can bisect it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import ui
from ..errors import CheckFailed, InfraError, UserError
from ..kernel import build as builds
from ..kernel.compile import compile_tree
from ..kernel.config import configure
from ..kernel.files import sha256_of
from ..kernel.inputs import Request
from ..kernel.mail import Mail, as_patches
from ..kernel.make import IMAGE
from ..kernel.patching import apply_series, touched
from .result import Result


@dataclass(frozen=True)
class Step:
    """One patch of the series: its subject, seconds that it took, whether it makes another kernel."""

    subject: str
    seconds: float
    changed: bool


def problem_of(result: Result, release: str, last: bool) -> str:
    """Why a boot is no success; "" when it is one. After the last patch the selftests must pass, too."""
    if result.problems:
        return result.problems[0]
    if result.findings:
        return f"the kernel complained: {result.findings[0].line}"
    if result.release != release:
        return f"{result.release or 'nothing'} booted, not {release}"
    return result.failures()[0] if last and not result.ok else ""


def walk(
    ours: Request,
    unpatched: Request,
    mails: Sequence[Mail],
    *,
    image: Path,
    jobs: int,
    boot: Callable[[bool], Result],
) -> list[Step]:
    """Apply, build and boot patch after patch, in a tree of its own that is removed in the end.

    Args:
        ours: the build that the series ends in. From the last patch of a Kconfig file on, its configuration
            is used.
        unpatched: the same without the series; its configuration is used before.
        mails: the series.
        image: where each kernel is put for `boot`; the compiler's log is put beside it.
        jobs: compilers at once.
        boot: boots `image`; whether the kernel is the last one. A kernel that a patch has not changed is not
            booted again, but for the last.

    Raises:
        CheckFailed: a kernel does not boot as it should; the text names the patch.
        UserError: a patch does not apply, or none brings a symbol to configure.
        InfraError: a kernel does not compile; the text names the patch.
    """
    kconfigs = [number for number, mail in enumerate(mails) if _is_kconfig(mail)]
    if not kconfigs:
        raise UserError(
            "no patch of the series touches a Kconfig file", "add the one that brings CONFIG_MSHARE"
        )
    label = f"-step-{ours.full_flavour}"
    with builds.scratch_tree(unpatched, label, jobs) as (make, plain):
        release = f"{plain.source.upstream}{label}"
        fragments = builds.plan(ours, register=False).inputs.fragments
        log = image.with_name("compile.log")
        steps: list[Step] = []
        booted = ""
        for number, mail in enumerate(mails):
            start = time.monotonic()
            apply_series(make.tree, as_patches(make.tree.parent, [mail]))
            if number in kconfigs:
                chosen = fragments if number == kconfigs[-1] else plain.fragments
                configure(make.tree, chosen, make.argv(), make.env())
            log.unlink(missing_ok=True)
            try:
                compile_tree(make, release, log, 1)
            except InfraError as error:
                raise InfraError(
                    f"after the patch {mail.subject!r}: {error.message}", error.remedy
                ) from error
            digest = sha256_of(make.tree / IMAGE)
            changed, booted = digest != booted, digest
            last = number == len(mails) - 1
            if changed or last:
                shutil.copyfile(make.tree / IMAGE, image)
                result = boot(last)
                if problem := problem_of(result, release, last):
                    raise CheckFailed(
                        f"after the patch {mail.subject!r}: {problem}",
                        f"the kernel's whole log is {result.console}",
                    )
            steps.append(Step(mail.subject, round(time.monotonic() - start, 1), changed))
            how = "builds and boots" if changed else "builds, to the same kernel"
            ui.say(f"  {number + 1}/{len(mails)} {mail.subject}: {how} ({steps[-1].seconds:.0f} s)")
    return steps


def _is_kconfig(mail: Mail) -> bool:
    return any(Path(name).name.startswith("Kconfig") for name in touched(mail.diff))
