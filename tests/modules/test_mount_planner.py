"""The planner of the mount against its cases: options and facts in, steps out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.mshare_mount_facts import mounts_on, regions_below
from plugins.module_utils.mshare_mount_plan import desired_options, plan
from plugins.module_utils.mshare_region_errors import RegionError

CASES = sorted((Path(__file__).parent / "mount").glob("*.json"))
MOUNTINFO = r"""24 30 0:22 / /sys rw,nosuid - sysfs sysfs rw
31 24 0:28 / /sys/fs/mshare rw,relatime shared:9 - msharefs msharefs rw,mode=1777,uid=0,gid=0
44 30 8:1 /x /mnt/a\040b rw master:1 - ext4 /dev/a\040b rw
45 31 0:44 / /sys/fs/mshare rw - tmpfs none rw
"""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())

    def steps() -> list[dict[str, Any]]:
        desired = desired_options(
            case["arguments"], {"postgres": 112}.__getitem__, {"postgres": 113}.get, 4096
        )
        return plan(case["state"], desired, case["facts"])

    if "error" in case:
        with pytest.raises(RegionError) as error:
            steps()
        assert case["error"] in error.value.message
    else:
        assert steps() == case["steps"]
        assert (steps() == []) == path.stem.startswith("noop_") == case["why"].startswith("nothing to do")


def test_the_uppermost_mount_comes_last() -> None:
    assert [one["fstype"] for one in mounts_on("/sys/fs/mshare", MOUNTINFO)] == ["msharefs", "tmpfs"]
    assert mounts_on("/mnt/a b", MOUNTINFO) == [{"fstype": "ext4", "options": "rw"}]
    assert mounts_on("/sys/fs", MOUNTINFO) == []


def test_regions_in_directories_are_found(tmp_path: Path) -> None:
    (tmp_path / "mshare_info").touch()
    (tmp_path / "db").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/mshare_info").touch()
    assert regions_below(str(tmp_path)) == ["db", "dir/mshare_info"]
