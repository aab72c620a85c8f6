import pytest

from mshare_pkg.kernel_selftest import kernel_log


@pytest.mark.parametrize(
    "line",
    [
        "[   10.0] WARNING: CPU: 1 PID: 77 at mm/mshare.c:100 mshare_fault+0x10/0x20",
        "[   10.0] WARNING: possible circular locking dependency detected",
        "[   10.0] BUG: Bad rss-counter state mm:00000000 type:MM_SHMEMPAGES val:4",
        "[   10.0] BUG: Bad page state in process stress  pfn:12345",
        "[   10.0] BUG: non-zero pgtables_bytes on freeing mm: 4096",
        "[   10.0] BUG: unable to handle page fault for address: ffff888000000000",
        "[   10.0] mm/pgtable-generic.c:41: bad pud 000000007d1b6a8f(8000000104a000e7)",
        "[   10.0] Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF",
        "[   10.0] get_swap_device: Unused swap offset entry 000a1f2b",
        "[   10.0] EXT4-fs error (device vdb): ext4_lookup:1854: inode #2: comm disk: bad entry in directory",
        "[   10.0] Buffer I/O error on dev vdb, logical block 12, lost async page write",
        "[   10.0] Oops: 0000 [#1] PREEMPT SMP",
        "[   10.0] general protection fault, maybe for address 0x0: 0000 [#1] PREEMPT SMP",
        "[   10.0] kernel BUG at mm/page_table_check.c:80!",
        "[   10.0] INFO: task stress:77 blocked for more than 120 seconds.",
        "[   10.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[   10.0] UBSAN: shift-out-of-bounds in mm/mshare.c:7:3",
        "[   10.0] Kernel panic - not syncing: Attempted to kill init!",
        "[   10.0] BUG: sleeping function called from invalid context at mm/mshare.c:1",
        "[   10.0] VFS: Busy inodes after unmount of msharefs. Self-destruct in 5 seconds.",
        "[   10.0] =============================\n[ 10.0] WARNING: suspicious RCU usage",
    ],
)
def test_complaints_are_found(line: str) -> None:
    assert len(kernel_log.scan(line.splitlines())) == 1


@pytest.mark.parametrize(
    "line",
    [
        "[    0.0] Kernel command line: console=ttyS0 panic=-1",
        "[    0.0] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "[    1.0] Adding 262140k swap on /dev/vda.  Priority:-2 extents:1 across:262140k",
        "[   20.0] Memory cgroup out of memory: Killed process 88 (cgroup) total-vm:1234kB",
        "[    0.0] rcu: Hierarchical RCU implementation.",
        "[   20.2] traps: fuzz[110] general protection fault ip:404b1d sp:7fb6dd3fed00 error:0",
    ],
)
def test_ordinary_lines_are_not(line: str) -> None:
    assert kernel_log.scan([line]) == []


def test_finding_names_the_program_and_keeps_what_follows() -> None:
    log = [
        "[ 1.0] mshare-selftest: begin mount",
        "[ 2.0] mshare-selftest: begin stress",
        "[ 3.0] WARNING: CPU: 0 PID: 1 at x",
        "[ 3.0] Call Trace:",
        "[ 3.0] BUG: of the same report",
    ]
    (finding,) = kernel_log.scan(log)
    assert finding.program == "stress"
    assert "Call Trace" in finding.context


def test_a_fault_whose_allocation_fails_on_purpose_is_tried_again() -> None:
    line = "[   10.0] Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF"
    assert not kernel_log.scan(["mshare-selftest: begin fail", line])
    assert kernel_log.scan(["mshare-selftest: begin fail", "mshare-selftest: begin unmap", line])
    assert kernel_log.scan(["mshare-selftest: begin fail", "[   10.0] WARNING: possible"])


def test_two_reports_far_apart_are_two() -> None:
    log = ["WARNING: a", *["line"] * 40, "WARNING: b"]
    assert [finding.line for finding in kernel_log.scan(log)] == ["WARNING: a", "WARNING: b"]


INT3 = """\
[    1.739220] Oops: int3: 0000 [#1] SMP NOPTI
[    1.739956] CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Not tainted 6.12.117-mshare5-vm #1
[    1.740354] RIP: 0010:sched_clock_cpu+0x5/0x170
[    1.745081] Code: ff ff ff e8 54 a8 5a 00 0f 1f 40 00 41 54 55 53 66 <90> e8 e5 db f7 ff 48 03 05 0e 1e
"""


@pytest.mark.parametrize(
    ("log", "of_emulator"),
    [
        pytest.param(INT3, True, id="as it was seen"),
        pytest.param(INT3.replace("53 66 <90>", "53 cc <90>"), False, id="a breakpoint is there"),
        pytest.param(INT3.replace("Oops: int3", "Oops: invalid opcode"), False, id="another fault"),
        pytest.param(INT3.replace("Code:", ""), False, id="not known"),
    ],
)
def test_faults_of_the_emulator(log: str, of_emulator: bool) -> None:
    (finding,) = kernel_log.scan(log.splitlines())
    assert kernel_log.is_of_emulator(finding) == of_emulator
