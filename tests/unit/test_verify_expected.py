"""What a host should be, read from variables and build.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from verify_samples import BUILD, GIB, MIB, VARIABLES

from mshare_pkg.errors import UserError
from mshare_pkg.verify.expected import MappedObject, Mount, build_of, from_variables
from mshare_pkg.verify.sizes import human, to_bytes


def test_all_that_is_declared_is_expected() -> None:
    want = from_variables(VARIABLES, BUILD)
    assert (want.release, want.build_id) == (BUILD["release"], BUILD["build_id"])
    assert want.mount == Mount(size=512 * MIB, nr_regions=8)
    (region,) = want.regions
    assert (region.name, region.size, region.owner, region.group, region.mode) == (
        "demo",
        256 * MIB,
        "root",
        "1",
        0o640,
    )
    assert region.objects == (MappedObject(0, 256 * MIB, "anon", "rw"),)
    assert want.absent == ("old",)
    assert (want.processes, want.mib) == (64, 256)


def test_objects_of_all_kinds() -> None:
    objects = [
        {"size": "2M", "type": "hugetlb"},
        {"offset": "2M", "size": "4K", "type": "file", "path": "/srv/a", "access": "r"},
    ]
    (region,) = from_variables({"mshare_regions_list": [{"name": "a", "objects": objects}]}, None).regions
    assert region.objects == (
        MappedObject(0, 2 * MIB, "hugetlb"),
        MappedObject(2 * MIB, 4096, "file", "r", "/srv/a"),
    )


def test_nothing_declared_leaves_everything_unchecked() -> None:
    want = from_variables({}, None)
    assert want.release is None
    assert want.regions == ()
    assert want.mount == Mount(present=True, mode=0o1777)


def test_a_mode_may_be_the_number_that_yaml_makes_of_it() -> None:
    want = from_variables(
        {"mshare_regions_list": [{"name": "a", "mode": 0o660}], "mshare_mount_mode": "0770"}, None
    )
    assert want.regions[0].mode == 0o660
    assert want.mount.mode == 0o770


@pytest.mark.parametrize(
    "variables",
    [
        {"mshare_regions_list": [{"size": "1G"}]},
        {"mshare_regions_list": ["demo"]},
        {"mshare_regions_list": [{"name": "a", "size": "much"}]},
        {"mshare_mount_mode": "rwx"},
        {"mshare_regions_list": [{"name": "a", "objects": [{"offset": 0}]}]},
    ],
)
def test_variables_that_mean_nothing_are_the_users_error(variables: dict[str, object]) -> None:
    with pytest.raises(UserError):
        from_variables(variables, None)


def test_build_json_by_override_variable_or_default(tmp_path: Path) -> None:
    assert build_of({}, None, tmp_path) is None
    default = tmp_path / "build" / "kernel" / "build.json"
    default.parent.mkdir(parents=True)
    default.write_text(json.dumps({**BUILD, "release": "default"}))
    (tmp_path / "named.json").write_text(json.dumps({**BUILD, "release": "named"}))
    (tmp_path / "over.json").write_text(json.dumps({**BUILD, "release": "over"}))
    variables = {"mshare_kernel_build_json": "named.json"}
    found = [
        build_of(*arguments, tmp_path)
        for arguments in (({}, None), (variables, None), (variables, "over.json"))
    ]
    assert [one and one["release"] for one in found] == ["default", "named", "over"]


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}"])
def test_a_named_build_json_that_is_none_is_the_users_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "b.json").write_text(content)
    with pytest.raises(UserError, match="what to do"):
        build_of({"mshare_kernel_build_json": "b.json"}, None, tmp_path)


def test_a_template_cannot_be_resolved_here(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="template"):
        build_of({"mshare_kernel_build_json": "{{ playbook_dir }}/build.json"}, None, tmp_path)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4096", 4096),
        (512, 512),
        ("1K", 1024),
        ("256M", 256 * MIB),
        ("1GiB", GIB),
        ("1.5 g", 3 * GIB // 2),
        ("2TB", 2048 * GIB),
    ],
)
def test_sizes(text: str | int, number: int) -> None:
    assert to_bytes(text) == number


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (512, "512 B"), (1536, "1.5 KiB"), (GIB, "1 GiB"), (1 << 41, "2.0 TiB")]
)
def test_human_sizes(number: int, text: str) -> None:
    assert human(number) == text
