"""Lines of a kernel log that mean that the kernel itself found something wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: Patterns, each with what it is: from kernel/panic.c, lib/bug.c, mm/*, kernel/locking/lockdep.c, kernel/rcu.
_PATTERNS = (
    r"\bWARNING: ",
    r"\bBUG: ",
    r"\bBUG \w+ \(",  # slub: "BUG kmalloc-64 (Not tainted): Poison overwritten"
    r"kernel BUG at",
    r"\bOops: ",
    r"general protection fault(?! ip:)",  # with the instruction pointer it is a program's own
    r"Kernel panic",
    r"[Bb]ad page",
    r"\bbad p(te|md|ud|4d|gd) ",  # mm/pgtable-generic.c: an entry that is no table, where one is expected
    r"Huh VM_FAULT_OOM leaked out",  # mm/oom_kill.c: a fault that is tried for ever
    r"Bad rss-counter",
    r"(Bad|Unused) swap (file|offset) entry",
    r"EXT4-fs error",
    r"Buffer I/O error",
    r"page_table_check",
    r"non-zero pgtables_bytes",
    r"possible (circular locking|recursive locking|irq lock inversion|deadlock)",
    r"INFO: task .* blocked for more than",
    r"INFO: trying to register non-static key",
    r"INFO: lockdep",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"rcu: INFO: .*(detected|self-detected)",
    r"sleeping function called from invalid context",
    r"scheduling while atomic",
    r"UBSAN:",
    r"KASAN:",
    r"KCSAN:",
    r"KFENCE:",
    r"soft lockup",
    r"hard LOCKUP",
    r"unable to handle",
    r"list_(add|del) corruption",
    r"refcount_t: ",
    r"VFS: Busy inodes after unmount",
    r"(memory leak|unreferenced object)",
    r"Objects remaining in",
    r"DEBUG_LOCKS_WARN_ON",
)

_WRONG = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))

#: Said by kernels of ours at every start, of the emulated hardware or the debug options themselves.
_HARMLESS = re.compile(
    r"(lockdep|page_table_check|kmemleak|KASAN|KFENCE|UBSAN).*(initialized|enabled|disabled|Automatic)"
    r"|Kernel command line:|NOTICE: this kernel"
    r"|debug: unmapping init memory"
    r"|Lock dependency validator|RCU lockdep checking is enabled"
)

#: Expected of a program: `fail` makes the allocations of a fault fail, which the kernel then tries again.
_EXPECTED = {"fail": re.compile(r"Huh VM_FAULT_OOM leaked out")}

_BEGIN = re.compile(r"mshare-selftest: begin (\S+)")


@dataclass(frozen=True)
class Finding:
    """A line of the kernel log that must not be there, the program that ran, and the lines after it."""

    program: str
    line: str
    context: str


def scan(lines: Iterable[str], after: int = 25) -> list[Finding]:
    """Find the lines that report something wrong; each keeps up to `after` lines that follow.

    A report of several lines with patterns (a lockdep splat, an Oops) is one finding: matches inside
    the context of the one before are part of it.
    """
    log = [line.rstrip() for line in lines]
    findings: list[Finding] = []
    program = ""
    covered = -1
    for index, line in enumerate(log):
        if begin := _BEGIN.search(line):
            program = begin[1]
        if index <= covered or not _WRONG.search(line) or _HARMLESS.search(line):
            continue
        if program in _EXPECTED and _EXPECTED[program].search(line):
            continue
        covered = index + after
        findings.append(Finding(program, line, "\n".join(log[index : index + after + 1])))
    return findings


#: The bytes about the instruction pointer; behind a breakpoint (cc) it points at the byte after it.
_CODE = re.compile(r"Code: (?:[0-9a-f]{2} )*([0-9a-f]{2}) <[0-9a-f]{2}>")


def is_of_emulator(finding: Finding) -> bool:
    """Whether a report is QEMU's doing: a breakpoint was executed where the kernel's memory has none.

    The kernel changes its code by a breakpoint that it puts there, and takes away when no CPU can come upon
    it any more (`smp_text_poke_int3_handler`, arch/x86/kernel/alternative.c). QEMU 7.2, with a thread for
    each CPU, was seen to execute one later; it may have translated the bytes while they changed.
    """
    code = _CODE.search(finding.context)
    return "Oops: int3:" in finding.line and code is not None and code[1] != "cc"
