"""One run of the benchmark program in a guest of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..kernel_selftest import measuring, runner
from ..kernel_selftest.programs import Program
from ..kernel_selftest.result import Result
from . import measured

PROGRAM = "bench"

#: Seconds, quick and full: of one measurement; of the whole program. Enough for two cores that are busy.
MEASUREMENT_SECONDS = (120, 900)
PROGRAM_SECONDS = (900, 5400)

#: Seconds that the guest may take to boot and to end, beside its program.
_AROUND_SECONDS = 180


@dataclass(frozen=True)
class Size:
    """How much is measured: processes (a power of two), MiB that each touches, rounds."""

    processes: int
    mib: int
    rounds: int

    def check(self, memory: int) -> None:
        """Whether it is well-formed and fits a guest with `memory` MiB.

        Raises:
            UserError: it is not, or does not.
        """
        if not 4 <= self.processes <= 256 or self.processes & (self.processes - 1):
            raise UserError(
                f"the benchmark cannot run with {self.processes} processes",
                "give a power of two from 4 to 256",
            )
        if self.mib < 32 or self.mib % 32:
            raise UserError(f"the benchmark cannot measure {self.mib} MiB", "give a multiple of 32")
        if self.rounds < 1:
            raise UserError(f"{self.rounds} rounds measure nothing", "give 1 or more")
        # A copy of the content in each kind of memory, of page tables in each process, and what is around.
        need = 3 * self.mib + self.processes * self.mib // 512 + self.processes // 4 + 512
        if memory < need:
            raise UserError(
                f"{self.processes} processes and {self.mib} MiB need a guest of {need} MiB, not {memory}",
                f"give --memory {need}, or fewer --processes or --mib",
            )

    @property
    def arguments(self) -> tuple[str, ...]:
        """The program's arguments."""
        return ("-p", str(self.processes), "-m", str(self.mib), "-n", str(self.rounds))


#: What is measured when nothing is said, quick and full.
QUICK, FULL = Size(processes=16, mib=32, rounds=3), Size(processes=256, mib=64, rounds=5)


def execute(
    root: Path,
    image: Path,
    work: Path,
    size: Size,
    *,
    quick: bool,
    cpus: int,
    memory: int,
    timeout: float | None = None,
) -> tuple[measured.Measured, Result]:
    """Compile the program, boot the kernel with it, and read what it printed.

    Args:
        root: of the checkout.
        image: the kernel to boot.
        work: directory for the program, the guest's files and its logs.
        size: checked already.
        quick: give shorter loops, and shorter limits.
        cpus: virtual CPUs.
        memory: in MiB.
        timeout: of the whole run in seconds; None for the usual one.

    Raises:
        CheckFailed: the kernel complained in its log.
        InfraError: a tool is missing or failed; the program did not end well.
        UserError: another run is using the same directory.
    """
    arguments = (*(("-q",) if quick else ()), *size.arguments)
    program_seconds = PROGRAM_SECONDS[not quick]
    result = measuring.execute(
        runner.Plan(
            root=root,
            image=image,
            programs=[Program(PROGRAM, quick=arguments, full=arguments)],
            work=work,
            quick=quick,
            cpus=cpus,
            memory=memory,
            timeout=timeout or program_seconds + _AROUND_SECONDS,
            # The last words: balancing would add faults of its own, and a zone apart migrations.
            append="numa=fake=1 movablecore=0",
            case_seconds=MEASUREMENT_SECONDS[not quick],
            program_seconds=program_seconds,
            title="benchmark",
        )
    )
    return measured.parse(result.runs[0].lines), result
