"""The planner of regions against its cases: arguments and facts in, steps out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.mshare_region_errors import BadInput, Refused
from plugins.module_utils.mshare_region_plan import plan
from plugins.module_utils.mshare_region_spec import declaration

CASES = sorted((Path(__file__).parent / "region").glob("*.json"))
PAGE = 4096


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())

    def steps() -> list[dict[str, Any]]:
        return plan(declaration(case["arguments"], PAGE), case["found"], case["granularity"])

    if "error" in case:
        with pytest.raises(BadInput) as bad:
            steps()
        assert case["error"] in bad.value.message
    elif "refused" in case:
        with pytest.raises(Refused) as refused:
            steps()
        assert [user["pid"] for user in refused.value.users] == case["refused"]
        assert all(str(pid) in refused.value.message for pid in case["refused"])
    else:
        assert steps() == case["steps"]


def test_no_op_cases_say_so() -> None:
    for path in CASES:
        case = json.loads(path.read_text())
        assert (case.get("steps") == []) == path.stem.startswith("noop_"), path.name
        assert path.stem.startswith("noop_") == case["why"].startswith("nothing to do"), path.name


def apply(found: dict[str, Any] | None, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What msharefs would hold after the steps."""
    for planned in steps:
        step = dict(planned)
        do = step.pop("do")
        if do == "remove":
            found = None
        elif do == "create":
            found = {
                "size": 0,
                "owner": 0,
                "group": 0,
                "mode": 0o600,
                "objects": [],
                "users": [],
                "clients": 0,
            }
        elif do == "map":
            step.pop("file_offset", None)
            found["objects"].append({"path": None, **step})
        elif do == "unmap":
            kept = []
            for one in found["objects"]:
                end, cut_end = one["offset"] + one["size"], step["offset"] + step["size"]
                if one["offset"] < step["offset"]:
                    kept.append({**one, "size": min(end, step["offset"]) - one["offset"]})
                if end > cut_end:
                    start = max(one["offset"], cut_end)
                    kept.append({**one, "offset": start, "size": end - start})
            found["objects"] = kept
        else:
            found.update(step)
    return found


@pytest.mark.parametrize(
    "path", [path for path in CASES if '"steps"' in path.read_text()], ids=lambda path: path.stem
)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(path: Path) -> None:
    case = json.loads(path.read_text())
    after = apply(case["found"], case["steps"])
    assert plan(declaration(case["arguments"], PAGE), after, case["granularity"]) == []
