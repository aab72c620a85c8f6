"""A lab: the machines of one directory, up together and down together."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event

from .. import signals, ui
from ..errors import InfraError, MshareError, UserError
from ..kernel.files import locked
from ..paths import cache_dir
from . import accel, access, image, needs, ports, process, snapshot, ssh
from .host import Host
from .record import Record, load
from .webserver import WebServer

_RECORD = "lab.json"

#: MiB of a machine's memory.
MEMORY = 1024


class Lab:
    """The lab of a directory.

    Args:
        directory: where its files are; made by `up`, removed by `down` when nothing else is in it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = ssh.check_directory(directory)

    @property
    def record(self) -> Record:
        """Its properties.

        Raises:
            UserError: it is not up.
        """
        return load(self.directory / _RECORD)

    @property
    def hosts(self) -> dict[str, Host]:
        """Its machines by name.

        Raises:
            UserError: it is not up.
        """
        found = self.record
        return {name: Host(self.directory, found, name) for name in found.hosts}

    def host(self, name: str) -> Host:
        """One of its machines.

        Raises:
            UserError: it is not up, or there is no such machine.
        """
        hosts = self.hosts
        if name not in hosts:
            raise UserError(f"no machine {name} in this lab", f"there are {', '.join(hosts)}")
        return hosts[name]

    @property
    def web(self) -> WebServer:
        """The web server of its repository."""
        found = self.record
        return WebServer(self.directory / "web", found.repo / "apt", found.web_port)

    def up(self, hosts: int, repo: Path, *, cold: bool = False, memory: int = MEMORY) -> None:
        """Start machines, and return when ssh reaches all of them. What was started is ended if one fails.

        Args:
            hosts: how many.
            repo: repository directory; its `apt` is served to the machines, now or once it is there.
            cold: boot each machine instead of going on from the saved state of a booted one.
            memory: MiB of each machine.

        Raises:
            UserError: another lab is up in this directory.
            InfraError: a tool is missing or failed, or a machine did not come up.
        """
        needs.require(needs.RUN)
        with self._lock():
            if self._is_up(hosts, repo, cold, memory):
                ui.say(f"the lab in {self.directory} is up already")
                return
            base = image.obtain()
            state = None if cold else snapshot.obtain(base, memory)
            self._clean(keep_logs=False)
            try:
                self._start(self._plan(hosts, repo, base, state, memory))
            except BaseException:
                with signals.undisturbed():
                    self._clean(keep_logs=True)
                raise

    def down(self, *, keep_logs: bool = False) -> None:
        """End all of its processes and remove its files. Nothing happens when it is not up.

        Args:
            keep_logs: leave the machines' console logs and the web server's log.
        """
        with self._lock(), signals.undisturbed():
            self._clean(keep_logs=keep_logs)

    def reset(self, names: Iterable[str] = ()) -> None:
        """Bring machines (all, unless named) to how `up` left them; ports and host keys stay.

        Raises:
            UserError: it is not up, or a name is not one of its machines.
            InfraError: a machine did not come up.
        """
        chosen = [self.host(name) for name in names] or list(self.hosts.values())
        _together(chosen, lambda host, stop: host.reset(stop))

    def _lock(self) -> AbstractContextManager[None]:
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        path = cache_dir("locks") / f"lab-{digest}"
        return locked(path, lambda: ui.say("another process starts or ends this lab: waiting for it"))

    def _is_up(self, hosts: int, repo: Path, cold: bool, memory: int) -> bool:
        """Whether just this lab runs.

        Raises:
            UserError: another one does.
        """
        if not any(process.find(path) for path in self._pid_files()):
            return False
        with suppress(UserError):
            found = self.record
            same = (len(found.hosts), found.repo, found.snapshot is None, found.memory) == (
                hosts,
                repo.absolute(),
                cold,
                memory,
            )
            if same and all(process.find(path) for path in self._pid_files()):
                return True
        raise UserError(
            f"another lab is up in {self.directory}, or part of one", "mshare lab down, then up again"
        )

    def _pid_files(self) -> list[Path]:
        """Pid files of everything that this lab ever started and did not end."""
        return [*self.directory.glob("hosts/*/pid"), *self.directory.glob("web/pid")]

    def _plan(self, hosts: int, repo: Path, base: Path, state: Path | None, memory: int) -> Record:
        """Choose names and ports."""
        taken: list[int] = []
        for _ in range(hosts + 1):
            taken.append(ports.free(taken))
        return Record(
            image=base,
            snapshot=state,
            accelerator=accel.chosen(),
            memory=memory,
            repo=repo.absolute(),
            web_port=taken[0],
            control=access.control_directory(self.directory),
            hosts={f"mshare-lab-{number}": port for number, port in enumerate(taken[1:], 1)},
        )

    def _start(self, plan: Record) -> None:
        """Start everything, and write the files by which others reach it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        plan.save(self.directory / _RECORD)
        ssh.make_key(self.directory / access.KEY, "mshare lab")
        self.web.start()
        hosts = list(self.hosts.values())
        for host in hosts:
            host.create()
        known = "".join(ssh.known_host(host.port, host.public_key) for host in hosts)
        (self.directory / access.KNOWN_HOSTS).write_text(known)
        (self.directory / access.SSH_CONFIG).write_text(access.ssh_config(self.directory, plan))
        (self.directory / access.INVENTORY).write_text(access.inventory(self.directory, plan, self.web.url))
        with ui.step(f"lab: starting {len(hosts)} machines"):
            _together(hosts, lambda host, stop: host.reset(stop))

    def _clean(self, *, keep_logs: bool) -> None:
        """End what runs, and remove this lab's files."""
        for path in self._pid_files():
            process.kill(path)
        with suppress(UserError):
            shutil.rmtree(self.record.control, ignore_errors=True)
        logs = {"console.log", "access.log"} if keep_logs else set()
        for folder in (*self.directory.glob("hosts/*"), self.directory / "web"):
            for path in folder.glob("*"):
                if path.name not in logs:
                    path.unlink()
        files = (
            _RECORD,
            access.KEY,
            f"{access.KEY}.pub",
            access.KNOWN_HOSTS,
            access.SSH_CONFIG,
            access.INVENTORY,
        )
        for name in files:
            (self.directory / name).unlink(missing_ok=True)
        places = (
            *self.directory.glob("hosts/*"),
            self.directory / "hosts",
            self.directory / "web",
            self.directory,
        )
        for folder in places:
            with suppress(OSError):  # logs, or files of somebody else
                folder.rmdir()


def _together(hosts: list[Host], work: Callable[[Host, Callable[[], bool]], None]) -> None:
    """Do work on all machines at once, and wait for all of them. An interrupt powers them off.

    Args:
        hosts: the machines.
        work: called with a machine and a function that says whether to stop.

    Raises:
        InfraError: naming every machine on which the work failed, and why.
    """
    stop = Event()
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        futures = {host.name: pool.submit(work, host, stop.is_set) for host in hosts}
        try:
            wait(futures.values())
        except BaseException:
            with signals.undisturbed():
                stop.set()
                for host in hosts:
                    host.kill()
                wait(futures.values())
                # A machine may have been started after it was killed and before it saw that it must stop.
                for host in hosts:
                    host.kill()
            raise
    errors = {name: error for name, future in futures.items() if (error := future.exception())}
    for error in errors.values():
        if len(errors) == 1 or not isinstance(error, MshareError):
            raise error
    if errors:
        raise InfraError("\n".join(f"{name}: {error}" for name, error in errors.items()))
