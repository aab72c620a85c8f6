"""`mshare kernel endure`: random operations on regions, by seed, until there were enough of them."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..errors import UserError
from ..kernel import options
from ..paths import project_root
from . import endure, guest, runner
from .result import Result

#: Most seconds of a chunk: a program of the selftests may run for 900 s (runner.PROGRAM_SECONDS).
_MOST_SECONDS = 1000


@click.command(name="endure")
@options.of_build("test")
@click.option(
    "--operations", type=click.IntRange(1), default=10_000_000, show_default=True, help="Stop after so many."
)
@click.option(
    "--chunk-seconds",
    type=click.IntRange(10, _MOST_SECONDS),
    default=900,
    show_default=True,
    help="Seconds of one boot.",
)
@options.of_guest(cpus=4, memory=2048)
@options.output("build/endure", "state.json, and for the guest's files and logs")
@options.as_json("the state")
def command(
    *,
    build: Path,
    vmlinuz: Path | None,
    operations: int,
    chunk_seconds: int,
    cpus: int,
    memory: int,
    output: Path,
    as_json: bool,
) -> None:
    """Do random operations on regions until there were enough, and check each by an oracle.

    Each boot has a seed of its own. Stop it at any time: the next call goes on after the last whole boot of
    the same kernel image with the same programs.
    """
    image, debug = guest.find_kernel(build, vmlinuz)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "state.json"
    root = project_root()
    tests = output / "tests"  # where the runner has them, too
    names = [program.name for program in endure.programs(1, chunk_seconds)]
    with ui.step("compiling what runs in the guest"):
        guest.build_tests(root, tests, names)
    tested = [image, *(tests / name for name in names)]
    state = endure.load(path, endure.digest_of(*tested))

    def run(seed: int) -> Result:
        result = runner.execute(
            runner.Plan(
                root=root,
                image=image,
                programs=endure.programs(seed, chunk_seconds),
                work=output,
                debug=debug,
                cpus=cpus,
                memory=memory,
            )
        )
        if endure.digest_of(*tested) != state.tested:
            raise UserError("the kernel or the programs changed meanwhile", "run this again: it begins anew")
        return result

    def done(state: endure.State, chunk: endure.Chunk) -> None:
        endure.save(path, state)
        ui.say(
            f"  seed {chunk.seed}: {sum(chunk.operations.values())} operations, "
            f"{chunk.touched} pages touched, {chunk.calls} random calls ({chunk.seconds:.0f} s); "
            f"{state.operations} of {operations} operations"
        )

    endure.endure(state, operations, run, done)
    if as_json:
        ui.emit(state.as_json())
    ui.say(f"  {', '.join(f'{name} {count}' for name, count in state.by_name.items())}")
    ui.say(
        f"{state.release}: {state.operations} operations, {state.touched} pages touched and "
        f"{state.calls} random calls in {len(state.chunks)} boots, without a lost store or a complaint of "
        "the kernel"
    )
