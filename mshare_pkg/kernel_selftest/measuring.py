"""A program that measures, alone in a guest: what it printed, or why that is not to be used."""

from __future__ import annotations

from dataclasses import replace

from ..errors import CheckFailed, InfraError
from . import runner
from .result import Result
from .transcript import ProgramRun

#: What some exit codes mean: none at all; those of SIGKILL and SIGALRM.
_ENDS = {
    None: "never ended",
    128 + 9: "was killed: its time was over",
    128 + 14: "gave up: a measurement took too long",
}


def execute(plan: runner.Plan) -> Result:
    """Run the plan's one program; its lines are `runs[0].lines` of what is returned.

    Raises:
        CheckFailed: the kernel complained in its log.
        InfraError: a tool is missing or failed; the program did not end well.
        UserError: another run is using the same directory.
    """
    result = runner.execute(replace(plan, tell=_tell))
    if result.findings:
        raise CheckFailed(
            f"{plan.title}: the kernel complained: {result.findings[0].line}",
            f"its whole log is {result.console}",
        )
    problems = list(result.problems)
    for run in result.runs:
        if run.exit_code != 0:
            notes = [line for line in run.lines if not line.startswith("{")][-5:]
            how = _ENDS.get(run.exit_code, f"ended with {run.exit_code}")
            problems.append("\n    ".join([f"the program {how}; the last that it said:", *notes]))
    if problems or not result.runs:
        raise InfraError(
            f"{plan.title}, in a guest: " + "\n".join(problems or ["the program never began"]),
            f"see {plan.work / 'tests.log'} and {result.console}; more --timeout, if the machine is busy",
        )
    return result


def _tell(run: ProgramRun) -> str:
    return f"{run.name}: exit code {run.exit_code} ({run.seconds:.0f} s)"
