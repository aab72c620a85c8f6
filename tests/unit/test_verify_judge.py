"""Judgements over recorded facts: a good host has no problems, and each thing that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from verify_samples import BUILD, FACTS, MEASURED, MIB, TOUCH, VARIABLES, curve, sample

from mshare_pkg.verify import judge, sharing
from mshare_pkg.verify.expected import Mount, from_variables

WANT = from_variables(VARIABLES, BUILD)
Judge = Callable[[dict[str, Any]], list[str]]
JUDGES: dict[str, Judge] = {
    "release": lambda facts: judge.release(facts, WANT),
    "build_id": lambda facts: judge.build_id(facts, WANT),
    "config": judge.config,
    "filesystem": judge.filesystem,
    "log": lambda facts: judge.log(facts, WANT),
    "mounted": lambda facts: judge.mounted(facts, WANT),
    "options": lambda facts: judge.mount_options(facts, WANT.mount),
    "granularity": judge.granularity,
    "there": lambda facts: judge.regions_there(facts, WANT),
    "sizes": lambda facts: judge.region_sizes(facts, WANT),
    "owners": lambda facts: judge.region_owners(facts, WANT),
    "modes": lambda facts: judge.region_modes(facts, WANT),
    "objects": lambda facts: judge.region_objects(facts, WANT),
}


def region(**changes: Any) -> dict[str, Any]:
    return {"regions": {"demo": sample(FACTS["regions"]["demo"], **changes)}}


def mount(**options: str) -> dict[str, Any]:
    found = sample(FACTS["mount"])
    found["options"].update(options)
    return {"mount": found}


OBJECT = FACTS["regions"]["demo"]["objects"][0]
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("release", {"release": "6.1.0-40-cloud-amd64"}, "6.1.0-40-cloud-amd64, expected 6.12.117-mshare1-vm"),
    ("build_id", {"build_id": "00"}, "00, expected c0ffee"),
    ("config", {"config_mshare": "n"}, "CONFIG_MSHARE is n"),
    ("config", {"config_mshare": None}, "neither"),
    ("filesystem", {"filesystem": False}, "not in /proc/filesystems"),
    ("log", {"kernel_log": ["WARNING: CPU: 0"]}, "WARNING: CPU: 0"),
    ("log", {"kernel_log": None, "errors": ["kernel_log: EPERM"]}, "EPERM"),
    ("mounted", {"mount": None}, "nothing is mounted"),
    ("mounted", {"mount": {"fstype": "tmpfs", "options": {}}}, "tmpfs, expected msharefs"),
    ("mounted", {"magic": "0x1021994"}, "magic"),
    ("options", {"mount": None}, "nothing is mounted"),
    ("options", mount(mode="755"), "mode= is 0755, expected 1777"),
    ("options", mount(size="1024k"), "size= is 1 MiB, expected 512 MiB"),
    ("options", mount(nr_regions="9"), "nr_regions= is 9"),
    ("granularity", {"mshare_info": "1G"}, "'1G'"),
    ("granularity", {"mshare_info": "1000"}, "no power of two"),
    ("there", {"regions": {}}, "demo is not there"),
    ("there", {"regions": {**FACTS["regions"], "old": {}}}, "old is there, expected absent"),
    ("sizes", region(size=256 * MIB), "demo is 256 MiB, expected 1 GiB"),
    ("owners", region(uid=5, owner="games"), "owner of region demo is games, expected root"),
    ("owners", region(gid=5, group="games"), "group of region demo is games, expected 1"),
    ("modes", region(mode="0666"), "demo is 0666, expected 0640"),
    ("objects", region(objects=[]), "lacks 256 MiB of anon (rw) at 0 B"),
    (
        "objects",
        region(objects=[OBJECT, {**OBJECT, "offset": 512 * MIB}]),
        "holds 256 MiB of anon (rw) at 512 MiB",
    ),
    ("objects", region(objects=[{**OBJECT, "access": "r-"}]), "holds 256 MiB of anon (r)"),
    ("objects", region(objects=[{**OBJECT, "type": "hugetlb"}]), "holds 256 MiB of hugetlb (rw)"),
    (
        "objects",
        region(objects=[{**OBJECT, "type": "file", "path": "/srv/a (deleted)"}]),
        "holds 256 MiB of file /srv/a (deleted) (rw) at 0 B, not declared",
    ),
]


@pytest.mark.parametrize("name", JUDGES)
def test_a_good_host_has_no_problem(name: str) -> None:
    assert JUDGES[name](FACTS) == []


@pytest.mark.parametrize(("name", "changes", "text"), CASES)
def test_what_is_wrong_is_named(name: str, changes: dict[str, Any], text: str) -> None:
    assert text in "\n".join(JUDGES[name](sample(FACTS, **changes)))


def test_what_was_enlarged_is_told_in_pieces() -> None:
    half = {**OBJECT, "size": 128 * MIB}
    pieces = region(objects=[half, {**half, "offset": 128 * MIB}])
    assert judge.region_objects(sample(FACTS, **pieces), WANT) == []
    apart = region(objects=[half, {**half, "offset": 129 * MIB}])
    assert len(judge.region_objects(sample(FACTS, **apart), WANT)) == 3


def test_a_file_is_known_by_its_path() -> None:
    objects = [{"size": "4K", "type": "file", "path": "/srv/a"}]
    want = from_variables({"mshare_regions_list": [{"name": "demo", "objects": objects}]}, BUILD)
    shown = {"offset": 0, "size": 4096, "access": "rw", "type": "file", "path": "/srv/a"}
    assert judge.region_objects(sample(FACTS, **region(objects=[shown])), want) == []
    other = sample(FACTS, **region(objects=[{**shown, "path": "/srv/b"}]))
    assert judge.region_objects(other, want) == [
        "region demo lacks 4 KiB of file /srv/a (rw) at 0 B",
        "region demo holds 4 KiB of file /srv/b (rw) at 0 B, not declared",
    ]


def test_every_judgement_has_a_case_that_fails() -> None:
    assert {name for name, _, _ in CASES} == JUDGES.keys()


def test_without_a_build_json_nothing_passes_for_the_right_kernel() -> None:
    want = from_variables({}, None)
    assert "build.json" in judge.release(FACTS, want)[0]
    assert "build.json" in judge.build_id(FACTS, want)[0]


def test_a_log_line_that_is_known_can_be_left_out() -> None:
    want = from_variables({"mshare_verify_ignore_log": ["clocksource"]}, BUILD)
    lines = ["WARNING: clocksource is slow", "BUG: Bad page state"]
    assert judge.log(sample(FACTS, kernel_log=lines), want) == lines[1:]


def test_a_mount_that_is_declared_absent() -> None:
    want = from_variables({"mshare_mount_state": "absent"}, BUILD)
    assert judge.mounted(FACTS, want) == ["msharefs is mounted, expected nothing"]
    assert judge.mounted(sample(FACTS, mount=None), want) == []


def test_the_owner_of_a_mount_by_name_or_number() -> None:
    facts = sample(FACTS, **mount(uid="33"), root={"owner": "www-data", "group": "root"})
    assert (
        judge.mount_options(facts, Mount(uid="33")) == judge.mount_options(facts, Mount(uid="www-data")) == []
    )
    assert "uid= is 33, expected 34" in judge.mount_options(facts, Mount(uid="34"))[0]


def test_use_of_regions() -> None:
    assert judge.touched(TOUCH) + judge.attached(TOUCH, WANT) == []
    bad = {"regions": {"": {"outcome": "the process that should read ended with signal 11"}}}
    assert "a region of its own: the process that should read" in judge.touched(bad)[0]
    assert judge.attached(bad, WANT) == ["region demo was not tried"]


def test_shared_tables_are_told_from_private_ones() -> None:
    assert (
        sharing.shared_tables(MEASURED) + sharing.private_tables(MEASURED) + sharing.second_process(MEASURED)
        == []
    )
    swapped = sample(MEASURED, shared=MEASURED["private"], private=MEASURED["shared"])
    assert "33024 KiB, at most 1075 KiB" in sharing.shared_tables(swapped)[0]
    assert "(VmPTE) grew by 512 KiB" in sharing.shared_tables(swapped)[1]
    assert "540 KiB, expected 29491" in sharing.private_tables(swapped)[0]
    assert "65536 faults, at most 1" in sharing.second_process(swapped)[0]


def test_two_copies_are_too_many_for_one_process() -> None:
    one = {"counts": [1], "growth_kib": [1024], "own_kib": [8], "faults": [9, 1]}
    assert "grew by 1024 KiB" in sharing.shared_tables(sample(MEASURED, shared=one))[0]


def test_tables_of_its_own_are_told_whatever_the_machine_counts() -> None:
    own = {**MEASURED["shared"], "own_kib": [0] * 63 + [12]}
    assert sharing.shared_tables(sample(MEASURED, shared=own)) == [
        "a process's own tables (VmPTE) grew by 12 KiB, at most 2 pages"
    ]


def test_without_msharefs_there_is_nothing_shared() -> None:
    without = sample(MEASURED, shared=None)
    assert "not mounted" in sharing.shared_tables(without)[0]
    assert "no second process" in sharing.second_process(without)[0]
    assert sharing.saved_kib(without) is None
    assert sharing.saved_kib(MEASURED) == 516 * 64 - 540


def test_the_faults_allowed_grow_with_the_region() -> None:
    three = sample(MEASURED, region_bytes=3 << 30, shared=curve([520] * 7, 0, [65536, 3] + [3] * 62))
    assert sharing.second_process(three) == []
