"""What a person sees goes to standard error, what a script reads to standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mshare_pkg import ui


def test_emit_prints_json_on_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    ui.emit({"b": Path("/x"), "a": [1]})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": [1], "b": "/x"}
    assert err == ""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(ui, "say", lines.append)
    return lines


def test_a_step_in_a_pipe_is_two_lines(said: list[str]) -> None:
    with ui.step("packing") as step:
        step.update(1, 3, "a.deb")
        step.update(2, 3, "b.deb")
    assert said[0] == "packing ..."
    assert said[1] == "  packing: 1/3 a.deb"
    assert said[2].startswith("packing: done in ")
    assert len(said) == 3


def test_a_failed_step_is_not_said_to_be_done(said: list[str]) -> None:
    with pytest.raises(RuntimeError), ui.step("packing"):
        raise RuntimeError("no")
    assert said == ["packing ..."]
