"""Judge a measurement: are the page tables of a region really shared? Pure functions, as in `judge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Measurement = Mapping[str, Any]
#: What a region's page tables may take: copies of its objects' tables, and pages for each process.
MAX_COPIES = 1.1
MAX_PAGES_EACH = 2
#: Copies for each process that private tables take at least; one, but the counters are batched.
MIN_PRIVATE_COPIES = 0.9
GIB = 1 << 30


def allowed_kib(measured: Measurement, processes: int) -> float:
    """What PageTables may grow by, in KiB, when `processes` processes have touched the whole region."""
    pages_kib = measured["page_bytes"] / 1024 * MAX_PAGES_EACH * processes
    return float(MAX_COPIES * measured["copy_kib"] + pages_kib)


def shared_tables(measured: Measurement) -> list[str]:
    """With all processes attached and every page touched, there is one copy of the region's page tables."""
    curve = measured["shared"]
    if curve is None:
        return ["no region was measured: msharefs is not mounted"]
    count, growth = curve["counts"][-1], curve["growth_kib"][-1]
    limit, own = allowed_kib(measured, count), max(curve["own_kib"])
    problems = []
    if growth > limit:
        problems.append(
            f"{count} processes: PageTables grew by {growth} KiB, at most {limit:.0f} KiB are one shared copy"
        )
    if own > MAX_PAGES_EACH * measured["page_bytes"] / 1024:
        problems.append(f"a process's own tables (VmPTE) grew by {own} KiB, at most {MAX_PAGES_EACH} pages")
    return problems


def private_tables(measured: Measurement) -> list[str]:
    """Without sharing, the same run sees about one copy for each process: it can tell the two apart."""
    curve = measured["private"]
    count, growth = curve["counts"][-1], curve["growth_kib"][-1]
    least = MIN_PRIVATE_COPIES * count * measured["copy_kib"]
    if growth >= least:
        return []
    return [
        f"{count} processes, private tables: PageTables grew by {growth} KiB, expected {least:.0f} or more"
    ]


def second_process(measured: Measurement) -> list[str]:
    """The second process takes at most one fault for each GiB of a region that the first has touched."""
    curve = measured["shared"]
    if curve is None or len(curve["faults"]) < 2:
        return ["no second process touched a region"]
    faults, most = curve["faults"][1], -(-measured["region_bytes"] // GIB)
    return (
        [] if faults <= most else [f"the second process took {faults} faults, at most {most} were expected"]
    )


def saved_kib(measured: Measurement | None) -> int | None:
    """KiB of page tables that sharing saved, all processes attached; None when one curve is missing."""
    if not measured or not measured["shared"] or not measured["private"]:
        return None
    return int(measured["private"]["growth_kib"][-1] - measured["shared"]["growth_kib"][-1])
