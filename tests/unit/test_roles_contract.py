"""What every role keeps to: names, defaults and argument specs that agree, a README for each variable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in (Path(__file__).parents[2] / "roles").glob("*/tasks/main.yml"))


@pytest.fixture(params=ROLES, ids=[role.name for role in ROLES])
def role(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def read(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file; empty when the file is not there."""
    content = yaml.safe_load(path.read_text()) if path.is_file() else {}
    assert isinstance(content, dict), path
    return content


def options(role: Path) -> dict[str, dict[str, Any]]:
    specs = read(role / "meta" / "argument_specs.yml")["argument_specs"]
    found = specs["main"]["options"]
    assert isinstance(found, dict)
    return found


def test_there_are_roles() -> None:
    assert ROLES


def test_defaults_and_argument_specs_agree(role: Path) -> None:
    """Names and values; null, "leave alone", is a spec without a default, and so is a required variable."""
    defaults = read(role / "defaults" / "main.yml")
    specified = {
        name: spec.get("default") for name, spec in options(role).items() if not spec.get("required")
    }
    assert defaults == specified


def test_every_argument_is_described(role: Path) -> None:
    for name, spec in options(role).items():
        assert spec.get("type"), name
        assert spec.get("description"), name


def test_public_and_internal_names(role: Path) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role.name}_")] == []
    assert [name for name in read(role / "vars" / "main.yml") if not name.startswith(f"__{role.name}_")] == []


def test_booleans_are_taken_as_such(role: Path) -> None:
    """`-e NAME=false` gives a text, which a condition would take for true: a reboot without consent."""
    names = [name for name, spec in options(role).items() if spec["type"] == "bool"]
    for path in sorted((role / "tasks").glob("*.yml")):
        for line in path.read_text().splitlines():
            for name in names:
                used = re.sub(rf"set {name}=", "", line)
                assert not re.search(rf"\b{name}\b(?! \| bool|: (true|false)$)", used), f"{path.name}: {line}"


def test_readme_has_a_heading_for_each_variable(role: Path) -> None:
    headings = re.findall(r"^#+\s.*$", (role / "README.md").read_text(), re.MULTILINE)
    words = {word for heading in headings for word in re.findall(r"\w+", heading)}
    assert sorted(options(role).keys() - words) == []


def test_every_default_is_commented(role: Path) -> None:
    """A comment stands above each variable, or above the group of them that it begins."""
    above = ""
    for line in (role / "defaults" / "main.yml").read_text().splitlines():
        if re.match(r"\w+:", line):
            assert above.startswith("#") or re.match(r"\w+:|\s", above), line
        above = line


def test_main_is_a_table_of_contents(role: Path) -> None:
    assert len((role / "tasks" / "main.yml").read_text().splitlines()) <= 60
