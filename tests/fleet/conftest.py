"""Fixtures of the fleet tests: `pytest tests/fleet --lab build/lab` breaks machines of a lab on purpose.

They want a lab of two machines, a build (build/kernel) and its repository (build/repo), and take the files in
order: each leaves the machines as the next one needs them. Machines that do not run their stock kernel at the
beginning are put back to it (`mshare lab reset`).
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import badkernel
import database
import pytest
from machines import Fleet, Machine, ends_of_boots, fingerprint, fleet_in, variables

from mshare_pkg.paths import project_root
from mshare_pkg.run import run


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mshare fleet")
    group.addoption("--lab", default="build/lab", help="directory of a lab that is up (build/lab)")
    group.addoption("--build", default="build/kernel", help="directory of the build (build/kernel)")
    group.addoption("--repo", default="build/repo", help="repository that has it (build/repo)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure, the ends of the boots that the machines' consoles tell of: the lab goes after it."""
    report = yield
    if report.failed:
        fixtures = getattr(item, "funcargs", {}).values()
        fleet = next((one for one in fixtures if isinstance(one, Fleet)), None)
        for name, machine in fleet.machines.items() if fleet else ():
            report.sections.append((f"console of {name}", ends_of_boots(machine.console())))
    return report


@pytest.fixture(scope="session")
def good(request: pytest.FixtureRequest) -> Path:
    """Directory of the good build."""
    return (project_root() / request.config.getoption("--build")).resolve()


@pytest.fixture(scope="session")
def build(good: Path) -> dict[str, Any]:
    """The good build's build.json."""
    data: dict[str, Any] = json.loads((good / "build.json").read_text())
    return data


@pytest.fixture(scope="session")
def repo(request: pytest.FixtureRequest) -> Path:
    """The repository that the lab serves."""
    return (project_root() / request.config.getoption("--repo")).resolve()


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """The lab, its machines on their stock kernel when the session begins."""
    found = fleet_in(project_root() / request.config.getoption("--lab"))
    assert len(found.machines) >= 2, "the fleet tests want a lab of two machines: mshare lab up --hosts 2"
    if any("mshare" in one.release for one in found.machines.values()):
        run(
            ["mshare", "lab", "reset", f"--dir={found.folder}"],
            doing="putting the machines back to their stock kernel",
        )
    return found


@pytest.fixture(scope="session")
def stock(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """What each machine was before anything of ours came to it."""
    return {name: fingerprint(one) for name, one in fleet.machines.items()}


@pytest.fixture(scope="session")
def deployed(fleet: Fleet, stock: dict[str, dict[str, Any]], good: Path) -> Fleet:
    """The fleet on the good kernel, msharefs mounted, the regions there."""
    assert stock
    for playbook in ("deploy", "configure"):
        done = fleet.play(playbook, **variables(good))
        assert done.returncode == 0, done.output[-6000:]
    return fleet


@pytest.fixture(scope="session")
def first(fleet: Fleet) -> Machine:
    """The machine that bad kernels come to."""
    return next(iter(fleet.machines.values()))


@pytest.fixture(scope="session")
def second(fleet: Fleet) -> Machine:
    """The machine that waits for its wave."""
    return list(fleet.machines.values())[1]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve directories on the loopback address; a call returns the address that machines of the lab see."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        handler = functools.partial(_Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://10.0.2.2:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def databases(deployed: Fleet) -> Fleet:
    """The fleet with a database on every machine that requires its region."""
    for machine in deployed.machines.values():
        database.install(machine)
    return deployed


@pytest.fixture(scope="session")
def bad(
    good: Path, repo: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]
) -> tuple[Path, str]:
    """A build that panics at boot, and the address of a repository that has it too."""
    folder = tmp_path_factory.mktemp("bad")
    badkernel.make(good, folder / "build")
    shutil.copytree(repo, folder / "repo", symlinks=True)
    words = ["mshare", "repo", "publish", folder / "build", f"--repo={folder / 'repo'}"]
    run(words, doing="publishing the bad build")
    return folder / "build", serve(folder / "repo" / "apt")
