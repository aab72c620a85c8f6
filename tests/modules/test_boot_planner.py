"""The planners of the bootloader against their cases: a host's facts and arguments in, actions out.

Each case names a host in boot/hosts, what is different about this one, a planner and its arguments, and
what must come of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils import mshare_boot, mshare_boot_checks
from plugins.module_utils.mshare_region_errors import BadInput

CASES = sorted((Path(__file__).parent / "boot").glob("*.json"))
PLANNERS = {
    "hold": mshare_boot.plan_hold,
    "arm": mshare_boot.plan_arm,
    "commit": mshare_boot.plan_commit,
    "restore": mshare_boot.plan_restore,
}


def merged(old: Any, new: Any) -> Any:
    """A value with another one laid over it, dicts key by key; an empty dict replaces."""
    if not (isinstance(old, dict) and isinstance(new, dict) and new):
        return new
    return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}


def facts_of(case: dict[str, Any]) -> dict[str, Any]:
    host = json.loads((CASES[0].parent / "hosts" / f"{case['host']}.json").read_text())
    facts = merged(host, case["change"] or host)
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    facts, why = facts_of(case), case["why"]
    if case["planner"] == "phase":
        assert mshare_boot.phase(facts, **case["args"]) == case["phase"], why
        return
    if case["planner"] == "preflight":
        refusals, actions = mshare_boot_checks.preflight(facts, **case["args"]), []
    else:
        plan = PLANNERS[case["planner"]](facts, **case["args"])
        refusals, actions = plan["refusals"], plan["actions"]
        assert bool(plan["why"]) == (not actions and not refusals)
    assert [f"{one['check']}: {one['reason']}" for one in refusals] == case.get("refusals", []), why
    assert all(one["remedy"] for one in refusals)
    assert actions == case.get("actions", []), why


def test_every_no_op_is_named() -> None:
    silent = [
        path.stem
        for path in CASES
        if json.loads(path.read_text()).get("actions") == [] and not path.stem.startswith("noop_")
    ]
    assert not silent


def test_memory_of_declared_regions() -> None:
    regions = [
        {"name": "a", "size": "4G", "objects": [{"size": "64M"}, {"offset": "1G", "size": "1M"}]},
        {"name": "b", "objects": [{"size": 4096}]},
        {"name": "c", "objects": None},
        {"name": "d", "objects": [{"size": "1T", "type": "file"}, {"size": "1G", "type": "hugetlb"}]},
        {"name": "gone", "state": "absent", "objects": [{"size": "1T"}]},
    ]
    assert mshare_boot_checks.declared_mib(regions) == 66
    assert mshare_boot_checks.declared_mib([]) == 0
    with pytest.raises(BadInput, match="object of region a: 'lots' is not a size"):
        mshare_boot_checks.declared_mib([{"name": "a", "objects": [{"size": "lots"}]}])
