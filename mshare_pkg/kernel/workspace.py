"""Work trees: where a build is patched, configured and compiled. An interrupted one is found again."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from .. import ui
from ..errors import UserError
from ..paths import cache_dir
from ..run import run
from .config import configure
from .files import locked, write_json
from .inputs import Inputs, build_key
from .make import Make
from .patching import apply_series, copy_src
from .source import fetch, unpack

#: Work trees of builds that nobody finished are removed after this time, seconds.
KEEP_UNFINISHED = 7 * 24 * 3600


@dataclass(frozen=True)
class Workspace:
    """The work directory of one build: the kernel tree, logs, and how far it is.

    Attributes:
        key: the build's key.
    """

    key: str

    @property
    def path(self) -> Path:
        """The directory, made when missing."""
        return cache_dir("work", self.key[:16])

    @property
    def tree(self) -> Path:
        """The kernel tree."""
        return self.path / "tree"

    @property
    def lock(self) -> Path:
        """The lock file: who works here holds it."""
        return cache_dir("locks") / f"work-{self.key[:16]}"

    def prepare(self, inputs: Inputs, local_version: str, jobs: int) -> Make:
        """Have a patched and configured tree, and return how to call its Makefile.

        A tree that was ready before is taken as it is, with what is compiled in it. One that cannot be
        patched or configured is removed.

        Raises:
            MshareError: see `fetch`, `unpack`, `apply_series`, `copy_src` and `configure`.
            UserError: an input changed since the key was computed.
        """
        state = self.path / "ready.json"
        if state.is_file():
            stamp = int(json.loads(state.read_text())["stamp"])
            return Make(self.tree, inputs.architecture, local_version, stamp, jobs)
        try:
            shutil.rmtree(self.tree, ignore_errors=True)
            with ui.step(f"fetch {inputs.source.package} {inputs.source.version}"):
                fetch(inputs.source)
            with ui.step("unpack the source"):
                stamp = unpack(inputs.source, self.tree)
            with ui.step(
                f"apply {len(inputs.patches)} patches and {len(inputs.src_files)} new files, configure"
            ):
                apply_series(self.tree, inputs.patches)
                if inputs.src is not None:
                    copy_src(self.tree, inputs.src, inputs.src_files)
                make = Make(self.tree, inputs.architecture, local_version, stamp, jobs)
                configure(self.tree, inputs.fragments, make.argv(), make.env())
            if build_key(inputs.key(), f"{inputs.source.upstream}{local_version}") != self.key:
                raise UserError(
                    "patches, new files or fragments changed while the build read them", "build again"
                )
        except BaseException:
            self.remove()
            raise
        write_json(state, {"stamp": stamp})
        return make

    def remove(self) -> None:
        """Remove the work directory."""
        _throw_away(self.path)
        _empty_trash()


def _throw_away(path: Path) -> None:
    path.rename(cache_dir("trash") / f"{path.name}-{time.time_ns()}")


def _empty_trash() -> None:
    """Remove what was thrown away, in the background: a kernel tree has 87,000 files, minutes on a busy disk.

    What a remover that was ended has left goes with the next one.
    """
    if trash := list(cache_dir("trash").iterdir()):
        run(
            ["setsid", "--fork", "nice", "rm", "-rf", "--", *map(str, trash)],
            doing="removing old work trees",
            log=Path(os.devnull),
            check=False,
        )


def prune() -> None:
    """Remove work directories that were last used long ago (see `KEEP_UNFINISHED`)."""
    for path in cache_dir("work").iterdir():
        if time.time() - path.stat().st_mtime > KEEP_UNFINISHED:
            with locked(cache_dir("locks") / f"work-{path.name}"):
                _throw_away(path)
    _empty_trash()
