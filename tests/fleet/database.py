"""A unit that needs a region, as an operator would write it for a database."""

from __future__ import annotations

from machines import Machine

UNIT = "mshare-test-database.service"
REGION = "mshare-region@fleet.service"
PATH = "/sys/fs/mshare/fleet"
#: Maps the region, stores a word and stays.
TEXT = f"""\
[Unit]
Description=A database that needs a region
Requires={REGION}
After={REGION}

[Service]
ExecStart=/usr/bin/python3 -c "import mmap,os,time; f=os.open('{PATH}', os.O_RDWR); \\
m=mmap.mmap(f, os.fstat(f).st_size, mmap.MAP_SHARED); m[0:8]=b'database'; time.sleep(1e9)"

[Install]
WantedBy=multi-user.target
"""
#: Reads the word back, in another process.
READ = f"import mmap,os; f=os.open('{PATH}', 0); m=mmap.mmap(f, os.fstat(f).st_size, 1, 1); print(m[0:8])"

#: Bytes that a process touches to see whom they are charged to: half of the region's object.
TOUCHED = 32 << 20
#: Touches them by storing, page by page, in a cgroup of its own.
TOUCH = f"""\
import mmap, os
f = os.open('{PATH}', os.O_RDWR)
m = mmap.mmap(f, os.fstat(f).st_size, mmap.MAP_SHARED)
for at in range({TOUCHED}, {2 * TOUCHED}, mmap.PAGESIZE):
    m[at] = 1
print(open('/proc/self/cgroup').read().strip())
"""


def install(machine: Machine) -> None:
    """Put the unit on a machine, enabled and started."""
    machine.ssh("sh", "-c", f"cat > /etc/systemd/system/{UNIT} <<'END'\n{TEXT}END\n")
    machine.ssh("systemctl", "daemon-reload")
    machine.ssh("systemctl", "enable", "--now", UNIT)


def remove(machine: Machine) -> None:
    """Take the unit away."""
    machine.ssh("systemctl", "disable", "--now", UNIT, check=False)
    machine.ssh("rm", "-f", f"/etc/systemd/system/{UNIT}")
    machine.ssh("systemctl", "daemon-reload")


def started(machine: Machine, unit: str) -> int:
    """When a unit became active, in microseconds since the boot."""
    return int(machine.out("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit))


def check(machine: Machine) -> None:
    """The database runs, its region was there first and is in the slice, others read what it stored."""
    assert machine.out("systemctl", "is-active", UNIT) == "active"
    assert 0 < started(machine, REGION) <= started(machine, UNIT)
    assert machine.out("systemctl", "show", "--value", "-p", "Slice", REGION) == "mshare-regions.slice"
    assert "database" in machine.out("python3", "-c", READ)


def _charged(machine: Machine) -> int:
    return int(machine.out("cat", "/sys/fs/cgroup/mshare.slice/mshare-regions.slice/memory.current"))


def check_charged(machine: Machine) -> None:
    """What another process is the first to touch in the region is charged to the slice of regions."""
    before = _charged(machine)
    cgroup = machine.out("python3", "-c", TOUCH)
    assert "mshare-regions.slice" not in cgroup
    assert _charged(machine) - before >= 0.9 * TOUCHED
