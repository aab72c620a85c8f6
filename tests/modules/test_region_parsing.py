"""Sizes, names and fdinfo: text in, values out."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from plugins.module_utils.mshare_fdinfo import parse_fdinfo
from plugins.module_utils.mshare_region_errors import BadInput, RegionError
from plugins.module_utils.mshare_region_names import from_instance, unit_name
from plugins.module_utils.mshare_sizes import format_size, parse_mode, parse_size, round_up


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("4k", 4096),
        ("1KiB", 1024),
        ("1 MB", 1 << 20),
        ("1.5G", 3 << 29),
        ("2TiB", 2 << 40),
        ("12B", 12),
        (" 7 G ", 7 << 30),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "text", ["", "G", "-1", "1e9", "1P", "0x10", "1 000", "1.1", "50%", True, None, "1_0", "٣"]
)
def test_what_is_no_size_is_named(text: object) -> None:
    with pytest.raises(BadInput) as bad:
        parse_size(text)
    assert repr(text) in bad.value.message


@pytest.mark.parametrize("value", ["0660", "660", "0o660", 0o660])
def test_modes(value: object) -> None:
    assert parse_mode(value, 0o777) == 0o660


@pytest.mark.parametrize("value", [440, 660, 1777, -1, True, "8", "rw", "", None, "1777"])
def test_what_is_no_mode_is_named(value: object) -> None:
    with pytest.raises(BadInput, match=r"^mode is .*in octal and in quotes"):
        parse_mode(value, 0o777)


def test_sizes_are_shown_exactly() -> None:
    sizes = [0, 1, 1023, 1024, 1536, 3 << 29, 1 << 30]
    assert [format_size(one) for one in sizes] == ["0", "1", "1023", "1K", "1536", "1536M", "1G"]
    assert [round_up(one, 1024) for one in (0, 1, 1024, 1025)] == [0, 1024, 1024, 2048]


@pytest.mark.parametrize("name", ["db", "pg-data", "a.b_c", "-", "9"])
def test_both_spellings_of_an_instance(name: str) -> None:
    assert from_instance(name) == name
    assert unit_name(name) == f"mshare-region@{name}.service"
    if shutil.which("systemd-escape"):
        escaped = subprocess.run(["systemd-escape", "--", name], capture_output=True, text=True, check=True)
        assert from_instance(escaped.stdout.strip()) == name


@pytest.mark.parametrize(
    "name", ["", ".db", "..", "a/b", "a b", "mshare_info", "x" * 201, r"a\x2fb", "a\n", "é"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        from_instance(name)


def test_fdinfo() -> None:
    text = "pos:\t0\nflags:\t02\nmshare_clients:\t3\nmshare_object:\t0x200000 0x1000 r- file /srv/a b\n"
    assert parse_fdinfo(text + "mshare_object:\t0x0 0x10000000 rw anon -\nmshare_new:\t1\n") == {
        "clients": 3,
        "objects": [
            {"offset": 0, "size": 1 << 28, "access": "rw", "type": "anon", "path": None},
            {"offset": 1 << 21, "size": 4096, "access": "r", "type": "file", "path": "/srv/a b"},
        ],
    }


def test_paths_in_fdinfo_are_kept_as_they_are() -> None:
    for path in (
        "/srv/a ",
        "/srv/a\u2028b",
        "/srv/a\x0bb",
        "/srv/a\\012b",
        "/srv/a (deleted)",
        "/srv/\udcff",
    ):
        text = f"mshare_clients:\t0\nmshare_object:\t0x0 0x1000 rw file {path}\n"
        assert [one["path"] for one in parse_fdinfo(text)["objects"]] == [path]


@pytest.mark.parametrize(
    "text", ["pos:\t0\n", "mshare_clients:\tmany\n", "mshare_clients:\t0\nmshare_object:\t0x0\n"]
)
def test_fdinfo_that_cannot_be_read(text: str) -> None:
    with pytest.raises(RegionError, match="what the kernel tells"):
        parse_fdinfo(text)
