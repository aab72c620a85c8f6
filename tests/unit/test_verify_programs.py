"""The programs that run on hosts: parsers over kernels' text, and real work as far as it goes here."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.paths import project_root
from mshare_pkg.verify.probe import Probes, ask, command

FILES = project_root() / "roles" / "mshare_verify" / "files"
MOUNTINFO = """\
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
40 22 0:35 / /sys/fs/mshare rw,relatime shared:9 - tmpfs tmpfs rw
41 40 0:36 / /sys/fs/mshare rw,nosuid,nodev - msharefs msharefs rw,mode=1777,size=524288k
"""
FDINFO = """\
pos:\t0
flags:\t0100000
mshare_clients:\t3
mshare_object:\t0x0 0x10000000 rw anon -
mshare_object:\t0x10000000 0x1000 r- file /var/lib/some file
mshare_object:\t0x20000000 0x2000 r- file /var/lib/some file
mshare_object:\t0x20002000 0x1000 r- file /var/lib/some file
mshare_object:\t0x20003000 0x1000 rw hugetlb -
"""


def program(name: str) -> ModuleType:
    """One of the programs as a module."""
    spec = importlib.util.spec_from_file_location(f"mshare_verify_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


facts, touch, measure = program("facts"), program("touch"), program("measure")


class Local:
    """A host that is this machine."""

    def run(self, command: str) -> Any:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
        return type("Answer", (), {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr})


def note(name: bytes, kind: int, data: bytes) -> bytes:
    """An ELF note."""
    padded = [part + b"\0" * (-len(part) % 4) for part in (name, data)]
    return struct.pack("=III", len(name), len(data), kind) + b"".join(padded)


def test_build_id_is_found_among_other_notes() -> None:
    notes = note(b"Linux\0", 257, b"\1") + note(b"Xen\0", 3, b"odd") + note(b"GNU\0", 3, bytes(range(20)))
    assert facts.build_id(notes) == bytes(range(20)).hex()
    assert facts.build_id(note(b"GNU\0", 1, b"abcd")) is None


def test_the_mount_on_top_counts() -> None:
    found = facts.mount_of("/sys/fs/mshare", MOUNTINFO)
    assert found["fstype"] == "msharefs"
    assert found["options"] == {
        **dict.fromkeys(("rw", "nosuid", "nodev")),
        "mode": "1777",
        "size": "524288k",
    }
    assert facts.mount_of("/mnt", MOUNTINFO) is None


def test_fdinfo_of_a_region() -> None:
    clients, objects = facts.fdinfo_of(FDINFO)
    assert clients == 3
    assert objects[0] == {"offset": 0, "size": 1 << 28, "access": "rw", "type": "anon", "path": "-"}
    assert objects[1]["path"] == "/var/lib/some file"


def test_objects_of_a_region_that_may_be_written_or_compared() -> None:
    file = "/var/lib/some file"
    assert touch.objects_of(FDINFO)[1] == {
        "offset": 1 << 28,
        "size": 4096,
        "access": "r-",
        "type": "file",
        "path": file,
    }
    assert touch.first_memory(FDINFO) == 0
    assert (
        touch.first_memory("".join(line for line in FDINFO.splitlines(True) if "anon" not in line))
        == 0x20003000
    )
    assert (
        touch.first_memory("mshare_object:\t0x0 0x1000 rw file /a\nmshare_object:\t0x2000 0x1000 r- anon -\n")
        is None
    )
    assert touch.files_of(FDINFO) == [(1 << 28, 4096, file), (1 << 29, 12288, file)]


def test_a_file_is_compared_with_what_the_region_shows(tmp_path: Path) -> None:
    """A file stands for the region, too: what lies at an offset in it is as in the file, or is not."""
    table = tmp_path / "table"
    table.write_bytes(bytes(range(256)) * 64)
    (tmp_path / "good").write_bytes(bytes(4096) + table.read_bytes())
    (tmp_path / "bad").write_bytes(bytes(4096) + table.read_bytes()[:12000] + bytes(4384))
    for size in (4096, 16384, 20480):
        touch.compare(str(tmp_path / "good"), 4096, size, str(table))
    touch.compare(str(tmp_path / "bad"), 4096, 4096, str(table))
    with pytest.raises(OSError, match=r"other bytes at 20464 than /.*/table at 16368"):
        touch.compare(str(tmp_path / "bad"), 4096, 16384, str(table))
    (tmp_path / "empty").touch()
    touch.compare(str(tmp_path / "good"), 4096, 4096, str(tmp_path / "empty"))


def test_symbols_of_a_configuration() -> None:
    text = 'CONFIG_MSHARE=y\n# CONFIG_KVM is not set\nCONFIG_LOCALVERSION="-x"\n'
    assert [
        facts.config_symbol(name, text) for name in ("CONFIG_MSHARE", "CONFIG_KVM", "CONFIG_LOCALVERSION")
    ] == [
        "y",
        "n",
        "-x",
    ]


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("WARNING: CPU: 1 PID: 99 at mm/mshare.c:1 x", True),
        ("BUG: Bad rss-counter state mm:0 type:MM_ANONPAGES val:1", True),
        ("BUG: non-zero pgtables_bytes on freeing mm: 4096", True),
        ("INFO: task a:1 blocked for more than 120 seconds.", True),
        ("clocksource: Marking clocksource 'tsc' as unstable", False),
        ("EXT4-fs (vda1): mounted filesystem", False),
    ],
)
def test_what_counts_as_trouble_in_the_log(line: str, trouble: bool) -> None:
    assert bool(facts.TROUBLE.search(line)) is trouble


def test_facts_of_this_machine_name_its_kernel() -> None:
    found = ask(Local(), "here", "facts")
    assert found["release"] == os.uname().release
    assert found["schema"] == 1


def test_a_region_is_described_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8)
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "mshare_info").write_text("1")
    found = facts.regions(str(tmp_path))
    assert list(found) == ["a"]
    assert (found["a"]["size"], found["a"]["mode"], found["a"]["uid"]) == (8, "0640", os.getuid())


def test_two_processes_use_one_file(tmp_path: Path) -> None:
    (tmp_path / "memory").write_bytes(bytes(8192))
    found = touch.exchange(str(tmp_path / "memory"), 4096)
    assert found["outcome"] == "ok"
    assert found["read"] == found["written"]


def test_a_process_that_cannot_attach_is_reported(tmp_path: Path) -> None:
    found = ask(Local(), "here", "touch", ["--point", str(tmp_path), "--attach=gone"])
    assert "FileNotFoundError" in found["regions"]["gone"]["outcome"]
    assert found["regions"][""]["outcome"] != "ok"


@pytest.mark.skipif(not os.access("/proc/sys/vm/stat_refresh", os.W_OK), reason="stat_refresh is root's")
def test_private_memory_takes_a_copy_of_page_tables_for_each_process(tmp_path: Path) -> None:
    found = ask(Local(), "here", "measure", ["--point", str(tmp_path), "--processes=8", "--mib=64"])
    assert found["skipped"] is None
    assert found["shared"] is None
    assert found["copy_kib"] == 128
    assert found["private"]["counts"] == [1, 2, 4, 8]
    # PageTables counts every process of the machine, and others come and go; VmPTE is each one's own.
    assert len(found["private"]["growth_kib"]) == 4
    assert all(128 <= own <= 128 + 12 for own in found["private"]["own_kib"])
    assert len(found["private"]["own_kib"]) == 8
    assert found["private"]["faults"][1] >= 16384


def test_a_measurement_that_would_not_fit_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measure, "meminfo", lambda _: 1000)
    assert "1000 KiB of memory are available" in measure.measure(str(tmp_path), 64, 256 << 20)["skipped"]


def test_steps_end_at_the_number_asked_for() -> None:
    assert [measure.steps(count) for count in (1, 5, 8)] == [[1], [1, 2, 4, 5], [1, 2, 4, 8]]


def test_a_program_travels_in_one_argument() -> None:
    assert max(map(len, command("measure", ["--mib=1"]).split("'"))) < 128 << 10


class Broken:
    """A host that cannot be reached, or answers nonsense."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def run(self, command: str) -> Any:  # noqa: ARG002 - the protocol's signature
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("ssh: no route"),
        type("Answer", (), {"rc": 1, "stdout": "", "stderr": "Traceback"}),
        type("Answer", (), {"rc": 0, "stdout": "motd", "stderr": ""}),
        type("Answer", (), {"rc": 0, "stdout": "[]", "stderr": ""}),
    ],
)
def test_every_host_is_a_value_or_an_error(answer: object) -> None:
    good = type("Answer", (), {"rc": 0, "stdout": json.dumps({"schema": 1}), "stderr": ""})
    probes = Probes(
        {
            "bad": (Broken(answer), [("facts", []), ("touch", [])]),
            "good": (Broken(good), [("facts", [])]),
        }
    )
    assert probes.answer("good", "facts") == {"schema": 1}
    for program_name in ("facts", "touch"):
        with pytest.raises(InfraError, match="bad: "):
            probes.answer("bad", program_name)
