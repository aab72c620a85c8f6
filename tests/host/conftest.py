"""Fixtures of the checks that run against a fleet: `pytest tests/host --hosts=ansible://mshare_hosts`.

Each host is asked once for facts, once to use regions and once to measure, all hosts at the same time; the
checks judge the answers. What is expected comes from the host's inventory variables and from build.json
(`mshare_kernel_build_json`, or MSHARE_BUILD_JSON in the environment, which goes before it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mshare_pkg.paths import project_root
from mshare_pkg.verify.collect import host_of
from mshare_pkg.verify.expected import Expected, build_of, from_variables
from mshare_pkg.verify.probe import Probes

MEASURE_SECONDS = 900


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "measure: needs the measurement, about a minute on each host")


def expect_of(host: Any) -> Expected:
    """What is expected of a testinfra host."""
    variables = host.ansible.get_variables()
    build = build_of(variables, os.environ.get("MSHARE_BUILD_JSON"), project_root())
    return from_variables(variables, build)


def jobs(want: Expected, measure: bool) -> Iterator[tuple[str, list[str]]]:
    """The programs to run on a host, and their arguments."""
    yield "facts", []
    writable = [item.name for item in want.regions if item.name in want.writable]
    others = [item.name for item in want.regions if item.name not in want.writable]
    yield (
        "touch",
        [*(f"--write={name}" for name in writable), *(f"--attach={name}" for name in others)],
    )
    if measure:
        size = [f"--processes={want.processes}", f"--mib={want.mib}", f"--timeout={MEASURE_SECONDS}"]
        yield "measure", size


@pytest.fixture(scope="session")
def probes(request: pytest.FixtureRequest) -> Probes:
    """The answers of all hosts that selected checks name."""
    hosts: dict[str, Any] = {}
    measured: set[str] = set()
    for item in request.session.items:
        one = host_of(item)
        if one:
            hosts[one.backend.get_hostname()] = one
            if item.get_closest_marker("measure"):
                measured.add(one.backend.get_hostname())
    return Probes({name: (one, jobs(expect_of(one), name in measured)) for name, one in hosts.items()})


@pytest.fixture
def expected(host: Any) -> Expected:
    """What is expected of the host."""
    return expect_of(host)


@pytest.fixture
def ask(
    host: Any, probes: Probes, record_property: Callable[[str, object], None]
) -> Callable[[str], dict[str, Any]]:
    """What one of the programs printed on the host; the report gets it too."""

    def answer(program: str) -> dict[str, Any]:
        data = probes.answer(host.backend.get_hostname(), program)
        record_property(program, data)
        return data

    return answer


@pytest.fixture
def facts(ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The host's facts."""
    return ask("facts")


@pytest.fixture
def touch(ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """How it went when processes on the host used regions."""
    return ask("touch")


@pytest.fixture
def measured(ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The host's measurement; a check that needs it is skipped where there was no room for one."""
    data = ask("measure")
    if data["skipped"]:
        pytest.skip(data["skipped"])
    return data
