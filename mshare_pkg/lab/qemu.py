"""One QEMU in a directory of its own: its disk, console log, monitor and process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..run import run
from . import accel, needs, process, qmp

#: Seconds until a QEMU that was started must have told whether it runs.
_START_SECONDS = 60


def version() -> str:
    """What QEMU calls itself: a saved state is loaded only by the version that wrote it."""
    return run([needs.tool("qemu-system-x86_64"), "--version"], doing="asking QEMU's version").stdout.split(
        "\n"
    )[0]


def overlay(base: str, disk: Path) -> None:
    """Make a disk that begins as `base` (absolute path, or relative to the disk) and keeps its changes."""
    disk.unlink(missing_ok=True)
    run(
        [needs.tool("qemu-img"), "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk],
        doing="making a machine's disk",
    )


@dataclass(frozen=True)
class Qemu:
    """A QEMU that runs on its own, found again by its pid file.

    Attributes:
        directory: absolute path; holds disk.qcow2, console.log, qmp.sock and pid.
        name: what the process calls itself.
        memory: MiB.
        port: TCP port of 127.0.0.1 that leads to the machine's port 22.
        accelerator: see `accel`.
    """

    directory: Path
    name: str
    memory: int
    port: int
    accelerator: str

    @property
    def disk(self) -> Path:
        """The machine's disk."""
        return self.directory / "disk.qcow2"

    @property
    def console(self) -> Path:
        """All that the machine wrote to its serial console."""
        return self.directory / "console.log"

    @property
    def monitor(self) -> Path:
        """The socket of QEMU's monitor."""
        return self.directory / "qmp.sock"

    @property
    def pid_file(self) -> Path:
        """Where QEMU writes its process id."""
        return self.directory / "pid"

    def hardware(self) -> tuple[str, ...]:
        """QEMU's arguments that a saved state depends on."""
        return (
            *("-machine", "pc", "-smp", "2", "-m", str(self.memory), "-nodefaults", "-display", "none"),
            *accel.arguments(self.accelerator),
            *("-device", "virtio-blk-pci,drive=disk,bootindex=0"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
            *("-device", "virtio-rng-pci"),
            *("-device", "i6300esb", "-action", "watchdog=reset"),
            *("-serial", "chardev:console"),
        )

    def start(self, state: Path | None = None) -> None:
        """Power the machine on, or let it go on from a saved state. Returns once QEMU runs.

        Raises:
            InfraError: QEMU did not start, or did not take the state.
        """
        argv: list[str | Path] = [
            needs.tool("qemu-system-x86_64"),
            *("-name", f"{self.name},process={self.name}", "-daemonize", "-pidfile", self.pid_file),
            *self.hardware(),
            # Write-back: what the guest flushed survives the death of QEMU, what it did not flush may not.
            *("-drive", f"id=disk,if=none,file={self.disk},format=qcow2,cache=writeback"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-chardev", f"file,id=console,path={self.console},append=on"),
            *("-qmp", f"unix:{self.monitor.name},server=on,wait=off"),
        ]
        if state is not None:
            argv += ["-incoming", "defer"]
        run(argv, doing=f"starting QEMU for {self.name}", cwd=self.directory, timeout=_START_SECONDS)
        if state is not None:
            try:
                qmp.load(self.monitor, state)
            except BaseException:
                self.kill()
                raise

    def pid(self) -> int | None:
        """Process id of this machine's QEMU; None when it does not run."""
        return process.find(self.pid_file)

    def kill(self) -> None:
        """End QEMU at once, as a power cut ends a machine. Nothing happens when it does not run.

        Raises:
            InfraError: it does not go.
        """
        process.kill(self.pid_file)
        self.monitor.unlink(missing_ok=True)
