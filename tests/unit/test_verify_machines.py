"""What the fleet tests read from consoles and plays."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

from mshare_pkg.paths import project_root

sys.path.insert(0, str(project_root() / "tests" / "fleet"))
import machines

CONSOLE = """\
Loading Linux 6.12.117-mshare99-vm ...\r
[    0.000000] Linux version 6.12.117-mshare1-vm (root@builder) #1 SMP\r
[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.12.117-mshare99-vm root=UUID=1 ro panic=10\r
[    9.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r
[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.12.117-mshare1-vm root=UUID=1 ro panic=10\r
[    0.100000] Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.12.117-mshare1-vm root=UUID=1 ro\r
"""
RECAP = """\
PLAY RECAP *********************************************************************
mshare-lab-1               : ok=4    changed=0    unreachable=0    failed=1    skipped=6
"""


def test_each_start_of_a_kernel_is_counted_once() -> None:
    assert machines.kernels_started(CONSOLE) == ["6.12.117-mshare99-vm", "6.12.117-mshare1-vm"]


def test_a_host_that_a_play_did_not_reach_has_no_line() -> None:
    recap = machines.Recap(2, RECAP)
    assert recap.of("mshare-lab-1")["failed"] == 1
    assert recap.of("mshare-lab-2") == {}
    assert recap.of("mshare-lab") == {}


def test_a_console_is_read_from_a_mark_on(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_bytes(b"before\xff")
    host = SimpleNamespace(name="a", console_log=tmp_path / "console.log")
    machine = machines.Machine(host)
    mark = machine.console_size()
    with (tmp_path / "console.log").open("ab") as log:
        log.write(b"after")
    assert machine.console(mark) == "after"
