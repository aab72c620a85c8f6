"""The playbooks that work on the controller, with a stand-in for the command that they run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from mshare_pkg.fleet.inventory import ansible, environment
from mshare_pkg.paths import project_root
from mshare_pkg.run import run

#: Does what `mshare kernel build` and `mshare repo publish` do with the files that the playbooks look at.
COMMAND = f"""\
#!{sys.executable} -I
import json, pathlib, sys
place = pathlib.Path(__file__).parent
options = dict(word.split("=", 1) for word in sys.argv if word.startswith("--") and "=" in word)
with (place / "argv").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["kernel", "build"]:
    output = pathlib.Path(options["--output"])
    output.mkdir(exist_ok=True)
    answer = {{"release": (place / "release").read_text()}}
    (output / "build.json").write_text(json.dumps(answer))
else:
    published = place / "published"
    answer = {{"changed": not published.exists()}}
    published.touch()
print(json.dumps(answer))
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    path = tmp_path / "mshare"
    path.write_text(COMMAND)
    path.chmod(0o755)
    (tmp_path / "release").write_text("one")
    return path


def play(name: str, command: Path, *words: str) -> int:
    """Run a playbook; how many tasks changed something."""
    variables = {
        "mshare_command": str(command),
        "mshare_build_dir": str(command.parent / "build"),
        "mshare_repo_dir": str(command.parent / "repo"),
    }
    book = project_root() / "playbooks" / f"{name}.yml"
    argv = [str(ansible("ansible-playbook")), str(book), "-e", json.dumps(variables)]
    said = run([*argv, *words], doing=f"running {name}.yml", env=environment()).stdout
    (changed,) = re.findall(r"^localhost .* changed=(\d+) .* failed=0 ", said, re.MULTILINE)
    return int(changed)


def test_a_build_is_a_change_only_when_it_is_another_one(command: Path) -> None:
    assert play("build", command) == 1
    assert play("build", command) == 0
    (command.parent / "release").write_text("two")
    assert play("build", command) == 1
    words = json.loads((command.parent / "argv").read_text().splitlines()[0])
    assert words[:4] == ["kernel", "build", "--base=6.12", "--flavour=vm"]


def test_a_publication_says_itself_whether_it_is_a_change(command: Path) -> None:
    assert play("publish", command) == 1
    assert play("publish", command) == 0


def test_check_mode_builds_and_publishes_nothing(command: Path) -> None:
    for name in ("build", "publish"):
        assert play(name, command, "--check") == 0
    assert not (command.parent / "argv").exists()
