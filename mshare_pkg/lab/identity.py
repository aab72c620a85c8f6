"""What makes a machine itself: name, machine id, host key, random state, and the time.

Machines go on from one saved state (or boot from one image), so all of this is given to each when it starts.
"""

from __future__ import annotations

import base64
import io
import os
import tarfile
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InfraError
from . import ssh

#: Seconds that a machine's clock may differ from the controller's once it was set; busy machines answer late.
_SKEW_SECONDS = 5

# RNDRESEEDCRNG of linux/random.h: the kernel's generator takes in at once what was written to the pool.
_RESEED = 'open(F, ">", "/dev/urandom") or die; ioctl(F, 0x5207, 0) or die'

#: Where what a machine is given arrives; a memory file system.
_INBOX = "/run/mshare-lab"

# The journal goes on in a directory of the new machine id's name, where journalctl looks; the daemon holds
# its files open, and takes the new id at the next boot.
_SCRIPT = f"""\
set -eu
cat {_INBOX}/seed > /dev/urandom
perl -e '{_RESEED}'
hostname -F /etc/hostname
read -r old < /etc/machine-id
read -r new < {_INBOX}/machine-id
if [ "$old" != "$new" ]; then
    echo "$new" > /etc/machine-id
    [ ! -d "/var/log/journal/$old" ] || mv "/var/log/journal/$old" "/var/log/journal/$new"
fi
read -r server < /run/sshd.pid
kill -HUP "$server"
rm -r {_INBOX}
sync
"""


@dataclass(frozen=True)
class Identity:
    """A machine's identity on the controller's disk; it stays the same when the machine is reset.

    Attributes:
        name: host name.
        directory: holds host_key, host_key.pub and machine-id.
    """

    name: str
    directory: Path

    @property
    def host_key(self) -> Path:
        """Private host key of the ssh server; the public one is beside it, with the suffix .pub."""
        return self.directory / "host_key"

    @property
    def machine_id(self) -> Path:
        """File with the content of /etc/machine-id."""
        return self.directory / "machine-id"

    def create(self) -> None:
        """Make a new identity."""
        ssh.make_key(self.host_key, self.name)
        self.machine_id.write_text(f"{uuid.uuid4().hex}\n")

    def give(self, access: ssh.Access, authorized_key: Path) -> None:
        """Make a machine that still is its image's copy this one.

        Args:
            access: the way in with the image's keys.
            authorized_key: public key that root's account accepts from now on.

        Raises:
            InfraError: it cannot be reached, or a step failed on it.
        """
        hosts = f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n"
        files = (
            ("etc/hostname", f"{self.name}\n".encode(), 0o644),
            ("etc/hosts", hosts.encode(), 0o644),
            ("etc/ssh/ssh_host_ed25519_key", self.host_key.read_bytes(), 0o600),
            ("etc/ssh/ssh_host_ed25519_key.pub", self.host_key.with_suffix(".pub").read_bytes(), 0o644),
            ("root/.ssh/authorized_keys", authorized_key.read_bytes(), 0o600),
            ("var/lib/systemd/random-seed", os.urandom(512), 0o600),
            (f"{_INBOX[1:]}/machine-id", self.machine_id.read_bytes(), 0o644),
            (f"{_INBOX[1:]}/seed", os.urandom(512), 0o600),
            (f"{_INBOX[1:]}/script", _SCRIPT.encode(), 0o600),
        )
        # One archive, because every program that starts costs an emulated machine a good part of a second.
        access.run(
            [f"date -s @{time.time():.3f} >/dev/null && base64 -d | tar -x -C / && sh {_INBOX}/script"],
            doing=f"making a machine {self.name}",
            stdin=base64.b64encode(_archive(files)).decode(),
        )


def _archive(files: Iterable[tuple[str, bytes, int]]) -> bytes:
    """A tar archive of files given by path, content and mode, owned by root."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content, mode in files:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def check_clock(name: str, said: str, before: float, after: float) -> None:
    """Check a machine's clock, read between two moments on the controller.

    Args:
        name: the machine's.
        said: its seconds since 1970, decimal.
        before: the controller's, before it was asked.
        after: the controller's, when it had answered.

    Raises:
        InfraError: it differs by more than a few seconds.
    """
    clock = float(said)
    skew = max(before - clock, clock - after, 0.0)
    if skew > _SKEW_SECONDS:
        raise InfraError(f"the clock of {name} is {skew:.1f} s off after it was set")
