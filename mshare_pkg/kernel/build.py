"""The build: from a request to an output directory with packages and build.json."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import ui
from ..paths import cache_dir
from . import store
from .compile import build_id, compile_tree
from .files import locked, sha256_of, write_json
from .inputs import Inputs, Request, build_key, gather
from .make import Make
from .package import Naming, make_packages
from .publish import SCHEMA, package_entry, publish
from .releases import choose, release_name
from .source import offered
from .toolchain import architecture, check_tools, versions
from .workspace import Workspace, prune


@dataclass(frozen=True)
class Plan:
    """A build before it is made.

    Attributes:
        inputs: all that its result depends on.
        revision: N of -mshareN.
        key: key of the build.
    """

    inputs: Inputs
    revision: int
    key: str

    @property
    def local_version(self) -> str:
        """What follows the upstream version in the release."""
        return self.release.removeprefix(self.inputs.source.upstream)

    @property
    def release(self) -> str:
        """The kernel release."""
        return release_name(self.inputs.source.upstream, self.revision, self.inputs.request.full_flavour)

    @property
    def naming(self) -> Naming:
        """Names and versions of the packages."""
        source = self.inputs.source
        return Naming(
            release=self.release,
            flavour=self.inputs.request.full_flavour,
            version=f"{source.version}+mshare{self.revision}",
            architecture=self.inputs.architecture,
            origin=f"{source.package} {source.version} of Debian and {len(self.inputs.patches)} patches",
        )

    def describe(self) -> dict[str, Any]:
        """What build.json says of the build before anything is compiled."""
        source, request = self.inputs.source, self.inputs.request
        return {
            "schema": SCHEMA,
            "release": self.release,
            "base": {
                "series": request.base.series,
                "upstream": source.upstream,
                "source_package": source.package,
                "source_version": source.version,
            },
            "flavour": request.full_flavour,
            "architecture": self.inputs.architecture,
            "revision": self.revision,
            "key": self.key,
            "patches": [{"name": patch.name, "sha256": patch.sha256} for patch in self.inputs.patches],
            "toolchain": self.inputs.toolchain,
        }


def plan(request: Request, *, register: bool = True) -> Plan:
    """Find the inputs of a build, and give it its name.

    Args:
        request: what to build.
        register: note the release as taken; without it, nothing at all is written but cache directories.

    Raises:
        MshareError: an input is missing or wrong, or a tool is not there.
    """
    check_tools(request.base)
    inputs = gather(request, offered(request.base), architecture(request.base), versions())
    key = inputs.key()
    upstream, flavour = inputs.source.upstream, request.full_flavour
    revision = choose(upstream, flavour, key, request.revision, register=register)
    return Plan(inputs, revision, build_key(key, release_name(upstream, revision, flavour)))


@contextmanager
def scratch_tree(request: Request, label: str, jobs: int) -> Iterator[tuple[Make, Inputs]]:
    """A patched and configured tree of its own, removed in the end; no release is taken for it.

    Args:
        request: what the tree is of.
        label: what follows the upstream version in its release ("-step-vm").
        jobs: compilers at once.

    Raises:
        MshareError: see `plan` and `Workspace.prepare`.
    """
    inputs = plan(request, register=False).inputs
    work = Workspace(build_key(inputs.key(), f"{inputs.source.upstream}{label}"))
    with locked(work.lock, lambda: ui.say("another process does the same: waiting for it")):
        # A tree that an earlier run left has changes in it.
        work.remove()
        make = work.prepare(inputs, label, jobs)
        try:
            yield make, inputs
        finally:
            work.remove()


def _expected(path: Path, base: int) -> int:
    """Objects of a whole build: as many as the last one had, else what the base states."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return base


def _finish(plan: Plan, make: Make, workspace: Workspace) -> Path:
    """Make the packages of a compiled tree, and store the finished build; returns its place in the cache."""
    release = plan.release
    folder = workspace.path / "result"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "packages").mkdir(parents=True)
    with ui.step("make packages"):
        made = make_packages(make, plan.naming, folder / "packages", workspace.path)
    shutil.copyfile(make.tree / ".config", folder / f"config-{release}")
    image = workspace.tree / "debian" / plan.naming.image().name / "boot" / f"vmlinuz-{release}"
    shutil.copyfile(image, folder / f"vmlinuz-{release}")
    shutil.copyfile(workspace.path / "compile.log", folder / "compile.log")
    write_json(
        folder / "build.json",
        {
            **plan.describe(),
            "build_id": build_id(make.tree / "vmlinux"),
            "config_sha256": sha256_of(folder / f"config-{release}"),
            "config": f"config-{release}",
            "vmlinuz": f"vmlinuz-{release}",
            "packages": [package_entry(kind, deb, folder) for kind, deb in made],
        },
    )
    return store.keep(plan.key, folder)


def make_build(plan: Plan, jobs: int) -> tuple[Path, bool]:
    """Have the finished build of a plan in the cache.

    An interrupted build of the same key is gone on with; one that another process makes now is waited for.

    Returns:
        Its directory, verified, and whether it was there before.

    Raises:
        MshareError: a step failed; the message says which, and what to do.
    """
    workspace = Workspace(plan.key)
    with locked(workspace.lock, lambda: ui.say(f"another process builds {plan.release}: waiting for it")):
        if (found := store.find(plan.key)) is not None:
            return found, True
        request = plan.inputs.request
        make = workspace.prepare(plan.inputs, plan.local_version, jobs)
        counts = cache_dir("objects") / f"{request.base.series}-{request.full_flavour}"
        expected = _expected(counts, request.base.expected_objects)
        objects = compile_tree(make, plan.release, workspace.path / "compile.log", expected)
        counts.write_text(str(objects))
        stored = _finish(plan, make, workspace)
        workspace.remove()
    return stored, False


def build(request: Request, output: Path, jobs: int) -> dict[str, Any]:
    """Build kernel packages into an output directory.

    Args:
        request: what to build.
        output: directory for packages and build.json, made when missing.
        jobs: how many compilers run at once.

    Returns:
        The content of `output`/build.json.

    Raises:
        MshareError: a step failed; the output directory is as it was.
    """
    prune()
    planned = plan(request)
    stored, was_there = make_build(planned, jobs)
    if was_there:
        ui.say(f"{planned.release} was built before from the same inputs")
    return publish(stored, output)


def dry_run(request: Request) -> dict[str, Any]:
    """What `build` would make: as much of build.json as is known before, and whether it is cached."""
    planned = plan(request, register=False)
    packages = [
        control.name for control in (planned.naming.image(), planned.naming.headers(), planned.naming.meta())
    ]
    return {
        **planned.describe(),
        "cached": store.find(planned.key) is not None,
        "config": [path.name for path in planned.inputs.fragments],
        "src": [str(path) for path in planned.inputs.src_files],
        "packages": packages,
    }
