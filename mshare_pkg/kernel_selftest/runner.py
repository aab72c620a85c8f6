"""One run: compile, boot, follow, judge."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .. import qemu, ui
from ..errors import UserError
from ..run import tail
from . import guest, kernel_log
from .programs import Program
from .result import Result
from .transcript import Follower, ProgramRun, Transcript

#: How much more time a kernel with lockdep and page-table checks gets.
DEBUG_FACTOR = 4

#: Seconds: of one case, times its `slow`; of a program, quick and full: more than all but the random cases
#: may take, so that one that hangs is ended as a case, by name; of the whole run, quick and full.
CASE_SECONDS = 60
PROGRAM_SECONDS = (600, 900)
RUN_SECONDS = (900, 2700)

#: How often a guest is booted, at the most, when it is the emulator that errs.
BOOTS = 3

#: The guest's disks in their order (vda, vdb): the file in the run's directory, and what makes it.
_DISKS: dict[str, Callable[[Path], None]] = {"swap.img": guest.write_swap, "data.img": guest.write_data}

#: The file behind the guest's persistent memory.
_PMEM = "pmem.img"

#: Seconds that the guest may take to switch itself off after its last mark.
_END_SECONDS = 15


def tell_tests(run: ProgramRun) -> str:
    """A line for a person about a test program that has ended."""
    passed = sum(case.outcome == "passed" for case in run.report.cases)
    bad = sum(case.outcome == "failed" for case in run.report.cases) + len(run.problems())
    return f"{run.name:8} {passed:3} passed{f', {bad} FAILED' if bad else ''} ({run.seconds:.0f} s)"


@dataclass(frozen=True)
class Plan:
    """What to run where.

    Attributes:
        memory: in MiB.
        timeout: of the whole run in seconds; None for the usual one.
        allow_skipped: a skipped case is no failure.
        counting: let the time stamp counter count instructions; one CPU only.
        case_seconds: limit of one case, of a kernel that is no debug build.
        program_seconds: the same of a program; None for the usual one.
        title: what runs, for the progress that a person sees.
        tell: a line for that person about a program that has ended.
    """

    root: Path
    image: Path
    programs: Sequence[Program]
    work: Path
    debug: bool = False
    quick: bool = False
    cpus: int = 2
    memory: int = 1024
    timeout: float | None = None
    append: str = ""
    allow_skipped: bool = False
    counting: bool = False
    case_seconds: int = CASE_SECONDS
    program_seconds: int | None = None
    title: str = "kernel selftests"
    tell: Callable[[ProgramRun], str] = tell_tests

    @property
    def factor(self) -> int:
        """By how much the usual time limits are stretched."""
        return DEBUG_FACTOR if self.debug else 1

    @property
    def seconds(self) -> float:
        """The limit of the whole run."""
        return self.timeout or RUN_SECONDS[not self.quick] * self.factor


def execute(plan: Plan) -> Result:
    """Compile the tests, boot the kernel with them, and judge what it printed.

    Raises:
        InfraError: a tool is missing or failed.
        UserError: another run is using the same directory.
    """
    with _work_directory(plan.work):
        with ui.step("compiling what runs in the guest"):
            guest.build_tests(plan.root, plan.work / "tests", [program.name for program in plan.programs])
        init = guest.init_script(
            plan.programs,
            quick=plan.quick,
            case_seconds=plan.case_seconds * plan.factor,
            program_seconds=(plan.program_seconds or PROGRAM_SECONDS[not plan.quick]) * plan.factor,
        )
        guest.write_initramfs(plan.work / "initramfs.cpio", plan.work / "tests", plan.programs, init)
        boots = 1
        while True:
            result = replace(_boot(plan), boots=boots)
            if boots == BOOTS or not any(map(kernel_log.is_of_emulator, result.findings)):
                return result
            kept = result.console.rename(plan.work / f"console-{boots}.log")
            ui.say(f"  QEMU executed a breakpoint that was not there any more ({kept}): all of it again")
            boots += 1


@contextmanager
def _work_directory(path: Path) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another run in a guest is using {path}", "wait for it, or name another --output"
            ) from error
        yield


def qemu_arguments(plan: Plan) -> list[str]:
    """QEMU's arguments: kernel log on the first serial port, the tests' output on the second."""
    # Two NUMA nodes, so that there is somewhere to move memory to. Each has two movable blocks of 128 MiB:
    # the kernel has used the last one before there were zones, the other can go offline; not so where
    # the kernel itself has been put there by chance.
    fixed = "console=ttyS0 rdinit=/init panic=-1 loglevel=7 printk.devkmsg=on nokaslr numa=fake=2"
    fixed += " movablecore=520M"
    if plan.debug:
        # Who waits for a lock too long is told; this tells what those who may hold it are at, too.
        fixed += " sysctl.kernel.hung_task_all_cpu_backtrace=1"
    # Persistent memory lies above 4 GiB: that alone would have the kernel reserve 64 MiB of bounce buffers.
    fixed += " swiotlb=noforce"
    append = f"{fixed} {plan.append}".strip()
    return [
        *(qemu.COUNTING if plan.counting else qemu.EMULATION),
        *("-smp", str(plan.cpus), "-m", f"{plan.memory},maxmem={plan.memory + 1024}M"),
        *("-no-reboot", "-nodefaults", "-display", "none"),
        *("-kernel", str(plan.image), "-initrd", str(plan.work / "initramfs.cpio"), "-append", append),
        *("-serial", f"file:{plan.work / 'console.log'}", "-serial", f"file:{plan.work / 'tests.log'}"),
        *(
            word
            for name in _DISKS
            for word in ("-drive", f"file={plan.work / name},if=virtio,format=raw,cache=unsafe")
        ),
        *(
            "-object",
            f"memory-backend-file,id=pmem,share=on,mem-path={plan.work / _PMEM},size={guest.PMEM_SIZE}",
        ),
        *("-device", "virtio-pmem-pci,memdev=pmem"),
    ]


def _boot(plan: Plan) -> Result:
    console, output = plan.work / "console.log", plan.work / "tests.log"
    for path in (console, output):
        path.unlink(missing_ok=True)
    for name, write in _DISKS.items():
        write(plan.work / name)
    guest.write_pmem(plan.work / _PMEM)
    start = time.monotonic()
    transcript = Transcript()
    log = plan.work / "qemu.log"
    total = len(plan.programs)
    with (
        ui.step(f"{plan.title} in a guest with {plan.cpus} CPUs, {plan.memory} MiB", total) as step,
        qemu.machine(qemu_arguments(plan), log=log) as process,
    ):
        problems = _follow(plan, transcript, Follower(output), process.poll, step)
    for name in (*_DISKS, _PMEM):
        (plan.work / name).unlink()
    said = console.read_text(errors="replace") if console.exists() else ""
    if not transcript.done:
        shown = tail(said) or tail(log.read_text(errors="replace")) or "(nothing)"
        problems.append(f"{_place(transcript)}; the last lines of its console:\n{_quoted(shown)}")
    return Result(
        release=transcript.release,
        runs=tuple(transcript.runs),
        findings=tuple(kernel_log.scan(said.splitlines())),
        problems=(*problems, *_missing(plan, transcript)),
        seconds=time.monotonic() - start,
        console=console,
        skips_allowed=plan.allow_skipped,
    )


def _doing(transcript: Transcript) -> str:
    """What the guest is at: its program, and the last note that it printed."""
    if not transcript.runs:
        return "booting"
    run = transcript.runs[-1]
    note = next((line for line in reversed(run.lines) if line.startswith("# ")), "")
    return f"{run.name} {note.removeprefix('# ')[:60]}".rstrip()


def _place(transcript: Transcript) -> str:
    if not transcript.runs:
        return "the guest did not come as far as the first test"
    return f"the guest's last program was {transcript.runs[-1].name}"


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _missing(plan: Plan, transcript: Transcript) -> list[str]:
    ran = {run.name for run in transcript.runs}
    return [f"{program.name} was not run" for program in plan.programs if program.name not in ran]


def _follow(
    plan: Plan, transcript: Transcript, follower: Follower, poll: Callable[[], int | None], step: ui.Step
) -> list[str]:
    """Read along until the guest is off or its time is over; returns what went wrong with the guest."""
    deadline = time.monotonic() + plan.seconds
    said = 0
    closing = False
    while True:
        ended = poll() is not None
        transcript.feed(follower.more())
        finished = [run for run in transcript.runs if run.exit_code is not None]
        for run in finished[said:]:
            ui.say(f"  {plan.tell(run)}")
        said = len(finished)
        step.update(said, len(plan.programs), _doing(transcript))
        if transcript.done and not closing:
            closing = True
            deadline = time.monotonic() + _END_SECONDS
        if ended:
            return [] if transcript.done else ["the guest ended before its tests did"]
        if time.monotonic() > deadline:
            return [] if transcript.done else [f"no end after {plan.seconds:.0f} s"]
        time.sleep(0.2)
