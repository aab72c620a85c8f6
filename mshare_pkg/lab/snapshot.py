"""The state of a machine that just booted its stock kernel and lets ssh in: lab machines go on from it.

Memory and devices are saved to a file when the machine stands still, so they agree with the disk as it then
is. The disk stays as it is from then on: each machine writes to an overlay of its own.
"""

from __future__ import annotations

from pathlib import Path

from .. import ui
from ..errors import InfraError
from ..kernel.files import sha256_of
from ..run import tail
from . import accel, ports, qemu, qmp, shelf, ssh

#: Seconds until a boot that has not come to ssh is given up: in software emulation it takes 40 on idle cores,
#: and 270 on cores that seven machines share.
BOOT_SECONDS = 600

#: Files whose content decides what a saved state is.
_CODE = ("snapshot.py",)

DISK, STATE = "disk.qcow2", "state"


def image_access(image: Path, port: int, place: Path) -> ssh.Access:
    """The way into a machine that still has its image's host key; the known_hosts file is made in `place`."""
    known = place / "known_hosts.image"
    known.write_text(ssh.known_host(port, (image / "host_key.pub").read_text()))
    return ssh.Access(port, image / "key", known)


def obtain(image: Path, memory: int) -> Path:
    """Directory of the saved state for an image in the cache: disk.qcow2, state, console.log.

    Args:
        image: the image's directory in the cache.
        memory: MiB.
    """
    accelerator = accel.chosen()

    def machine(work: Path) -> qemu.Qemu:
        return qemu.Qemu(work, "mshare-lab-image", memory, ports.free(), accelerator)

    here = Path(__file__).resolve().parent
    key = shelf.key_of(
        {
            "image": image.name,
            "qemu": qemu.version(),
            "hardware": machine(here).hardware(),
            "code": [sha256_of(here / name) for name in _CODE],
        }
    )
    return shelf.obtain(
        "snapshots", key, lambda work: _make(image, machine(work)), lambda work: machine(work).kill()
    )


def _make(image: Path, machine: qemu.Qemu) -> None:
    # Relative, so that the cache can be moved.
    qemu.overlay(f"../../images/{image.name}/base.qcow2", machine.disk)
    with ui.step("lab: booting the machine whose state is saved"):
        machine.start()
        if not ssh.wait(machine.port, BOOT_SECONDS, lambda: machine.pid() is not None):
            raise InfraError(
                f"no ssh server after {BOOT_SECONDS} s; the end of its console:\n"
                f"{tail(machine.console.read_text(errors='replace'))}"
            )
        way = image_access(image, machine.port, machine.directory)
        state = way.run(
            ["systemctl is-system-running --wait; sync"],
            doing="waiting for the end of the boot",
            timeout=BOOT_SECONDS,
        ).stdout.strip()
        if state != "running":
            failed = way.run(["systemctl --failed --no-legend"], doing="asking what failed").stdout
            raise InfraError(f"the machine booted, but it is {state}:\n{failed}")
        qmp.save(machine.monitor, machine.directory / STATE)
        machine.kill()
        (machine.directory / "known_hosts.image").unlink()
