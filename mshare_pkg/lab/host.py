"""One machine of a lab: started, reached, power-cycled, and brought back to how it was."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import ui
from ..errors import InfraError
from ..run import Result, run, tail
from . import access, identity, needs, qemu, snapshot, ssh
from .record import Record

#: Seconds until a machine that goes on from a saved state must let ssh in; alone it takes about 2.
_RESUME_SECONDS = 120

#: Lines of a console that an error shows.
_CONSOLE_LINES = 30


class Host:
    """A machine of a lab that is up, or on its way.

    Args:
        lab: the lab's directory, absolute.
        record: the lab's properties.
        name: the machine's name, one of `record.hosts`.
    """

    def __init__(self, lab: Path, record: Record, name: str) -> None:
        self.name = name
        self.port = record.hosts[name]
        self._lab = lab
        self._record = record
        self.directory = lab / "hosts" / name
        self._identity = identity.Identity(name, self.directory)
        self._qemu = qemu.Qemu(self.directory, name, record.memory, self.port, record.accelerator)

    @property
    def console_log(self) -> Path:
        """All that the machine wrote to its serial console since `up`, with a line at each start."""
        return self._qemu.console

    @property
    def public_key(self) -> str:
        """The host key of its ssh server, as in a .pub file."""
        return self._identity.host_key.with_suffix(".pub").read_text()

    def pid(self) -> int | None:
        """Process id of its QEMU; None when it is off."""
        return self._qemu.pid()

    def answers(self, seconds: float = 5) -> bool:
        """Whether its ssh server greets within that time."""
        return self.pid() is not None and ssh.answers(self.port, seconds)

    def console_tail(self, lines: int = _CONSOLE_LINES) -> str:
        """The last lines of its console."""
        return tail(self.console_log.read_text(errors="replace"), lines) if self.console_log.exists() else ""

    def run(
        self,
        command: str | Sequence[str],
        *,
        doing: str = "",
        stdin: str | None = None,
        timeout: float = 300,
        check: bool = True,
    ) -> Result:
        """Run a command on the machine as root.

        Args:
            command: a shell line, or words that are quoted for the shell.
            doing: what it is for, for the error message.
            stdin: text for its standard input.
            timeout: seconds.
            check: raise on a non-zero exit code.

        Raises:
            InfraError: the machine cannot be reached, or the command failed while `check` is set.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        argv: list[str | Path] = [needs.tool("ssh"), "-F", self._lab / access.SSH_CONFIG, self.name, line]
        return run(argv, doing=doing or f"{self.name}: {line}", stdin=stdin, timeout=timeout, check=check)

    def create(self) -> None:
        """Make its directory and identity."""
        self.directory.mkdir(parents=True)
        self._identity.create()

    def kill(self) -> None:
        """Cut its power: what it did not flush to its disk is lost. Nothing happens when it is off."""
        config = self._lab / access.SSH_CONFIG
        if config.exists():
            ssh_exit: list[str | Path] = [needs.tool("ssh"), "-F", config, "-O", "exit", self.name]
            run(ssh_exit, doing="closing ssh's connection", check=False, timeout=30)
        self._qemu.kill()

    def start(self) -> None:
        """Power it on with the disk it has; it boots through GRUB. Returns before it is up: see `wait`."""
        self._mark("power on")
        self._qemu.start()

    def power_cycle(self) -> None:
        """Cut its power and power it on again. Returns before it is up: see `wait`."""
        self.kill()
        self.start()

    def wait(self, seconds: float = snapshot.BOOT_SECONDS, stop: Callable[[], bool] = lambda: False) -> None:
        """Wait until its ssh server answers.

        Args:
            seconds: how long to wait at most.
            stop: asked again and again; once it says yes, waiting ends.

        Raises:
            InfraError: it does not answer; the message has the end of its console.
        """
        start = time.monotonic()
        if not ssh.wait(self.port, seconds, lambda: self.pid() is not None and not stop()):
            state = "no ssh server answers" if self.pid() is not None else "its QEMU ended"
            raise InfraError(
                f"{self.name} did not come up: {state} after {time.monotonic() - start:.0f} s; "
                f"the end of its console:\n{self.console_tail() or '(it is empty)'}",
                f"the whole console is in {self.console_log}",
            )

    def reset(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Bring it to how `up` leaves it: a new disk, the stock kernel, its own identity, and the right time.

        Args:
            stop: asked while it starts; once it says yes, starting ends with an error.

        Raises:
            InfraError: it did not come up.
        """
        self.kill()
        if self._record.snapshot is not None and not self._resume(self._record.snapshot, stop):
            self.kill()
            self._boot(stop)
        elif self._record.snapshot is None:
            self._boot(stop)
        place = self.directory
        self._identity.give(
            snapshot.image_access(self._record.image, self.port, place), self._lab / f"{access.KEY}.pub"
        )
        (place / "known_hosts.image").unlink()
        self.wait(_RESUME_SECONDS, stop)
        self._set_clock()

    def _boot(self, stop: Callable[[], bool]) -> None:
        """Boot a new disk."""
        qemu.overlay(str(self._record.image / "base.qcow2"), self._qemu.disk)
        self.start()
        self.wait(stop=stop)

    def _resume(self, saved: Path, stop: Callable[[], bool]) -> bool:
        """Go on from the saved state; False (after saying why) when that does not lead to an ssh server."""
        qemu.overlay(str(saved / snapshot.DISK), self._qemu.disk)
        self._mark(f"going on from the saved state {saved}, whose boot is in its console.log")
        try:
            self._qemu.start(saved / snapshot.STATE)
            self.wait(_RESUME_SECONDS, stop)
        except InfraError as error:
            if stop():
                raise
            ui.say(f"{self.name} does not go on from the saved state; it boots instead. {error}")
            return False
        return True

    def _set_clock(self) -> None:
        """Set its clock, over a connection that is open already so that no handshake comes between."""
        self.run("true", doing=f"reaching {self.name} with its own host key")
        before = time.time()
        said = self.run(
            f"date -s @{before:.3f} >/dev/null && date +%s.%N", doing=f"setting the clock of {self.name}"
        ).stdout
        identity.check_clock(self.name, said, before, time.time())

    def _mark(self, text: str) -> None:
        """Write a line of ours to the console log."""
        with self.console_log.open("a") as log:
            log.write(f"\n--- lab: {text} ---\n")
