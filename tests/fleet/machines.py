"""The machines of a lab as the fleet tests use them: ssh, the console's record, playbooks, power."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mshare_pkg.lab import Host, Lab
from mshare_pkg.paths import project_root
from mshare_pkg.run import Result, run

#: What the tests declare on the machines.
REGIONS = [
    {
        "name": "fleet",
        "size": "1G",
        "owner": "root",
        "group": "daemon",
        "mode": "0660",
        "objects": [{"offset": 0, "size": "64M", "type": "anon", "access": "rw"}],
    }
]


class Machine:
    """One machine of a lab."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.name = host.name

    def ssh(self, *words: str, check: bool = True, timeout: float = 300) -> Result:
        """Run a program on the machine, its words quoted."""
        return self.host.run(words, check=check, timeout=timeout)

    def out(self, *words: str) -> str:
        """What a program on the machine printed, stripped."""
        return self.ssh(*words).stdout.strip()

    @property
    def release(self) -> str:
        """The running kernel's release."""
        return self.out("uname", "-r")

    @property
    def boot_id(self) -> str:
        """Another one after each boot."""
        return self.out("cat", "/proc/sys/kernel/random/boot_id")

    def packages(self) -> set[str]:
        """Installed packages with their versions."""
        return set(
            self.out("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n").splitlines()
        )

    def console(self, since: int = 0) -> str:
        """The console's record from a byte on."""
        with self.host.console_log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def console_size(self) -> int:
        """Bytes of the console's record so far."""
        return self.host.console_log.stat().st_size

    def settle(self) -> str:
        """Wait until systemd has started everything; returns its verdict, `running` or `degraded`."""
        return self.ssh("systemctl", "is-system-running", "--wait", check=False, timeout=600).stdout.strip()


def ends_of_boots(console: str, boots: int = 3, lines: int = 40) -> str:
    """The last lines of each of the last boots on a console, the running one's too."""
    parts = re.split(r"(?=^.*Linux version )", console, flags=re.MULTILINE)
    return "\n...\n".join("\n".join(part.splitlines()[-lines:]) for part in parts[-boots:])


def kernels_started(console: str) -> list[str]:
    """The kernel files that were started, in order, by the command lines on a console."""
    return re.findall(r"Command line: BOOT_IMAGE=\S*/vmlinuz-(\S+)", console)


@dataclass(frozen=True)
class Recap:
    """What `ansible-playbook` said: exit code, output, and each host's line of the recap."""

    returncode: int
    output: str

    def of(self, host: str) -> dict[str, int]:
        """The numbers of a host's line; empty when the play did not reach it."""
        lines = re.findall(rf"^{re.escape(host)}\s+:(.*)$", self.output, re.MULTILINE)
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", lines[-1])} if lines else {}


@dataclass(frozen=True)
class Fleet:
    """A lab and its machines by name."""

    folder: Path
    machines: Mapping[str, Machine]

    @property
    def inventory(self) -> Path:
        """The lab's Ansible inventory."""
        return self.folder / "inventory.yml"

    def play(self, playbook: str, *words: str, **variables: object) -> Recap:
        """Run one of our playbooks over the lab with extra variables; never raises for a failed play."""
        root = project_root()
        argv = [
            "ansible-playbook",
            "-i",
            self.inventory.resolve(),
            root / "playbooks" / f"{playbook}.yml",
            *words,
        ]
        argv += ["-e", json.dumps(variables)] if variables else []
        done = run(argv, doing=f"running {playbook}.yml", cwd=root, check=False, timeout=3600)
        return Recap(done.returncode, done.stdout + done.stderr)

    def module(self, machine: Machine, name: str, **options: object) -> Result:
        """Run one of our modules on a machine; it must not fail."""
        argv = ["ansible", "-i", self.inventory.resolve(), machine.name, "-m", f"mshare.fleet.{name}"]
        argv += ["-a", json.dumps(options)]
        return run(argv, doing=f"running {name} on {machine.name}", cwd=project_root(), timeout=600)


def fleet_in(folder: Path) -> Fleet:
    """The fleet of a lab's directory."""
    lab = Lab(folder)
    return Fleet(lab.directory, {name: Machine(host) for name, host in lab.hosts.items()})


_PLACES = "/etc /boot /usr/local /var/lib/mshare"
#: Files that tell what was done to a machine; those that change by themselves are left out.
_FILES = (
    f"find {_PLACES} -xdev -type f"
    " ! -name grubenv ! -name 'initrd.img-*' ! -name '*.lock' ! -name ld.so.cache -print0 2>/dev/null"
    " | sort -z | xargs -0 sha256sum"
)


def fingerprint(machine: Machine) -> dict[str, Any]:
    """What a machine is: kernel, packages and those not installed for others, files and directories, names in
    /boot, GRUB's variables, links that enable units.

    The links are read as they are: systemd itself does not always answer on a machine that is this slow.
    """
    script = f"""
        uname -r; echo --
        dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Abbrev}}\\n'; echo --
        apt-mark showmanual | sort; echo --
        {_FILES}; find {_PLACES} -xdev -type d 2>/dev/null | sort; echo --
        ls -1 /boot /lib/modules; echo --
        grub-editenv - list; echo --
        find /etc/systemd/system -type l -printf '%p %l\\n' | sort
    """
    parts = re.split(r"^--\n", machine.ssh("sh", "-c", script).stdout, flags=re.MULTILINE)
    names = ("release", "packages", "manual", "files", "boot", "grubenv", "units")
    return {name: part.splitlines() for name, part in zip(names, parts, strict=True)}


def variables(build_dir: Path, **more: object) -> dict[str, object]:
    """Variables for all our playbooks: this build, consent to reboot, all machines at once, the regions."""
    return {
        "mshare_kernel_build_json": str(build_dir / "build.json"),
        "mshare_kernel_reboot_ok": True,
        "mshare_waves": ["100%"],
        "mshare_regions_list": REGIONS,
        **more,
    }
