"""A region with memory, huge pages and a file: made by a play, enlarged, made anew by its service.

The second machine alone has the pool and the file that it takes; both are put back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import REGIONS, Fleet, Machine, Recap, variables

from mshare_pkg.verify import fleet as checks

NAME, TABLE = "objects", "/srv/mshare fleet/table 100%"
UNIT, POINT = f"mshare-region@{NAME}.service", f"/sys/fs/mshare/{NAME}"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
KIB, MIB = 1 << 10, 1 << 20
TABLE_BYTES, PAGES = 256 * KIB, 4
#: Makes the file, each 4 KiB of it other bytes.
MAKE = f"""\
import os
os.makedirs(os.path.dirname({TABLE!r}), exist_ok=True)
with open({TABLE!r}, 'wb') as table:
    for page in range({TABLE_BYTES} // 4096):
        table.write(b'%04d' % page * 1024)
"""
#: Stores at an offset of the region, then reads what the file has at another.
STORE = f"""\
import mmap, os, sys
at, file_at = map(int, sys.argv[1:3])
f = os.open('{POINT}', os.O_RDWR)
m = mmap.mmap(f, os.fstat(f).st_size, mmap.MAP_SHARED)
seen = m[at:at + 4]
m[at:at + 4] = b'mark'
with open({TABLE!r}, 'rb') as table:
    table.seek(file_at)
    print(seen.hex() if seen == bytes(4) else seen.decode(), table.read(4).decode())
"""


def region(huge: int = 1, table: int = 64 * KIB, **more: object) -> dict[str, Any]:
    """The region with a number of huge pages, and bytes of the file."""
    objects = [
        {"offset": 0, "size": "2M"},
        {"offset": "2M", "size": str(table), "type": "file", "path": TABLE},
        {"offset": "4M", "size": str(huge * 2 * MIB), "type": "hugetlb", "access": "rw"},
    ]
    return {"name": NAME, "size": "1G", "objects": objects, **more}


def play(fleet: Fleet, machine: Machine, good: Path, *regions: dict[str, Any]) -> Recap:
    """Configure one machine with these regions beside those of all tests."""
    words = ("--limit", machine.name)
    return fleet.play("configure", *words, **variables(good, mshare_regions_list=[*REGIONS, *regions]))


def inside(machine: Machine) -> list[tuple[int, int, str, str, str | None]]:
    """What the kernel tells of the region's objects."""
    shown = json.loads(machine.out("mshare", "region", "show", "--json", NAME))
    keys = ("offset", "size", "access", "type", "path")
    return [tuple(one[key] for key in keys) for one in shown["objects"]]


def try_out(machine: Machine, wanted: dict[str, Any]) -> str:
    """What `mshare region ensure` says of a declaration that is wrong for the machine."""
    folder = "/root/mshare-declarations"
    script = f'mkdir -p {folder} && printf %s "$1" > {folder}/wrong.json'
    machine.ssh("sh", "-c", script, "sh", json.dumps({**wanted, "name": "wrong"}))
    done = machine.ssh("mshare", "region", "ensure", "--declarations", folder, "wrong", check=False)
    machine.ssh("rm", "-r", folder)
    assert done.returncode in (2, 3)
    assert machine.ssh("test", "-e", "/sys/fs/mshare/wrong", check=False).returncode == 1
    return done.stderr


@pytest.fixture(scope="module")
def host(deployed: Fleet, second: Machine, good: Path) -> Iterator[Machine]:
    """The second machine with huge pages, the file, and the region made by the play; all is put back."""
    second.ssh("python3", "-c", MAKE)
    second.ssh("sysctl", "-w", "vm.compact_memory=1", check=False)
    second.ssh("sysctl", "-w", f"vm.nr_hugepages={PAGES}")
    assert second.out("cat", "/proc/sys/vm/nr_hugepages") == str(PAGES)
    done = play(deployed, second, good, region())
    try:
        assert done.returncode == 0, done.output[-6000:]
        yield second
    finally:
        gone = play(deployed, second, good, {"name": NAME, "state": "absent", "force": True})
        second.ssh("sysctl", "-w", "vm.nr_hugepages=0")
        left = second.ssh("ls", "-A", DROP_INS, check=False)
        second.ssh("rm", "-rf", str(Path(TABLE).parent))
        assert gone.returncode == 0, gone.output[-6000:]
        assert left.returncode != 0, left.stdout
        assert second.out("cat", "/proc/sys/vm/nr_hugepages") == "0"


def test_each_object_is_of_its_kind(host: Machine) -> None:
    assert inside(host) == [
        (0, 2 * MIB, "rw", "anon", None),
        (2 * MIB, 64 * KIB, "rw", "file", TABLE),
        (4 * MIB, 2 * MIB, "rw", "hugetlb", None),
    ]
    assert host.out("python3", "-c", STORE, str(2 * MIB + 4096), "4096") == "0001 mark"
    assert host.out("python3", "-c", STORE, str(4 * MIB), "0") == "00000000 0000"


def test_its_service_waits_for_the_file_system(host: Machine) -> None:
    waits = host.out("systemctl", "show", "--value", "-p", "RequiresMountsFor", UNIT)
    assert TABLE in waits
    assert "/sys/fs/mshare" in waits
    assert host.out("systemctl", "is-active", UNIT) == "active"


def test_a_second_play_changes_nothing(deployed: Fleet, host: Machine, good: Path) -> None:
    done = play(deployed, host, good, region())
    assert done.returncode == 0, done.output[-6000:]
    assert done.of(host.name)["changed"] == 0, done.output[-6000:]


def test_what_the_host_does_not_have_is_told(host: Machine) -> None:
    wrong = try_out(host, region(huge=PAGES))
    assert f"raise vm.nr_hugepages (huge pages of 2M: {PAGES} needed, {PAGES - 1} free)" in wrong
    assert "not a multiple of the huge page size 2M" in try_out(
        host, {"size": "1G", "objects": [{"size": "1M", "type": "hugetlb"}]}
    )
    assert "whoever touches what is behind its end gets SIGBUS" in try_out(host, region(table=MIB))
    none = {"size": "4K", "type": "file", "path": "/srv/none"}
    assert "there is no file /srv/none" in try_out(host, {"size": "1G", "objects": [none]})
    device = {"size": "4K", "type": "file", "path": "/dev/zero"}
    assert "is not a regular file" in try_out(host, {"size": "1G", "objects": [device]})


def test_objects_are_enlarged_and_keep_what_they_hold(
    deployed: Fleet, host: Machine, good: Path, tmp_path: Path
) -> None:
    larger = region(huge=3, table=192 * KIB)
    done = play(deployed, host, good, larger)
    assert done.returncode == 0, done.output[-6000:]
    assert inside(host) == [
        (0, 2 * MIB, "rw", "anon", None),
        (2 * MIB, 64 * KIB, "rw", "file", TABLE),
        (2 * MIB + 64 * KIB, 128 * KIB, "rw", "file", TABLE),
        (4 * MIB, 2 * MIB, "rw", "hugetlb", None),
        (6 * MIB, 4 * MIB, "rw", "hugetlb", None),
    ]
    assert host.out("python3", "-c", STORE, str(4 * MIB), "0") == "mark 0000"
    assert host.out("python3", "-c", STORE, str(2 * MIB + 160 * KIB), str(160 * KIB)) == "0040 mark"
    assert play(deployed, host, good, larger).of(host.name)["changed"] == 0

    inventory = Path(shutil.copy(deployed.inventory, tmp_path))
    (tmp_path / "group_vars").mkdir()
    declared = variables(good, mshare_regions_list=[*REGIONS, larger])
    (tmp_path / "group_vars" / "mshare_hosts.json").write_text(json.dumps(declared))
    found = checks.check(inventory, measure=False)[host.name]["checks"]
    assert [one for one in found if one["outcome"] != "passed"] == []


def test_a_file_that_was_replaced_is_noticed(host: Machine) -> None:
    host.ssh("rm", TABLE)
    host.ssh("python3", "-c", MAKE)
    assert {path for *_, kind, path in inside(host) if kind == "file"} == {f"{TABLE} (deleted)"}
    assert host.ssh("mshare", "region", "ensure", "--check", NAME, check=False).returncode == 1
    host.ssh("mshare", "region", "ensure", NAME)
    assert (2 * MIB, 192 * KIB, "rw", "file", TABLE) in inside(host)
    assert "nothing to do" in host.out("mshare", "region", "ensure", NAME)
    assert host.out("python3", "-c", STORE, str(2 * MIB + 160 * KIB), str(160 * KIB)) == "0040 mark"


def test_the_service_makes_it_anew(host: Machine) -> None:
    """As at boot, when nothing of it is there."""
    host.ssh("systemctl", "stop", UNIT)
    host.ssh("mshare", "region", "remove", NAME)
    reserved = "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"
    assert host.out("cat", reserved) == "0"
    host.ssh("systemctl", "start", UNIT)
    assert [(offset, size, kind) for offset, size, _, kind, _ in inside(host)] == [
        (0, 2 * MIB, "anon"),
        (2 * MIB, 192 * KIB, "file"),
        (4 * MIB, 6 * MIB, "hugetlb"),
    ]
    assert host.out("cat", reserved) == "3"
