"""The plans: what they name is there, and every one has a documented make target."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mshare_pkg.cli import cli
from mshare_pkg.stages.plan import PLANS, Plan, Stage

ROOT = Path(__file__).parents[2]
STAGES = sorted(
    {stage for plan in PLANS.values() for stage in (*plan.stages, *plan.cleanup)},
    key=lambda stage: stage.argv,
)


def targets() -> dict[str, str]:
    """Target -> its `##` comment."""
    return dict(re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_has_a_target_and_names_each_stage_once(plan: Plan) -> None:
    assert plan.name in targets()
    names = [stage.name for stage in (*plan.stages, *plan.cleanup)]
    assert len(names) == len(set(names))
    assert plan.stages[0].name == "setup"


def test_every_target_is_documented() -> None:
    defined = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert defined == set(targets())


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: " ".join(stage.argv[:4]))
def test_the_commands_and_options_of_stages_exist(stage: Stage) -> None:
    """A stage that names a command or an option that is gone is found here, not after an hour."""
    if stage.argv[0] != "mshare":
        return
    command: click.Command = cli
    words = list(stage.argv[1:])
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, stage.argv
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: " ".join(stage.argv[:4]))
def test_the_files_of_stages_exist(stage: Stage) -> None:
    named = [word for word in stage.argv[1:] if re.match(r"(tests|playbooks|mshare_pkg|molecule)/", word)]
    assert [word for word in named if not (ROOT / word).exists()] == []
