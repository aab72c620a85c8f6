import dataclasses
import filecmp
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.kernel_selftest import guest, programs, runner
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun
from mshare_pkg.lab import needs

TESTS = Path(__file__).parents[2] / "kernel" / "selftests" / "mshare"


def result(*runs: ProgramRun, findings: tuple[Finding, ...] = (), problems: tuple[str, ...] = ()) -> Result:
    return Result("6.12", runs, findings, problems, 1.0, Path("console.log"))


def run_of(text: str, exit_code: int | None = 0) -> ProgramRun:
    return ProgramRun("life", text.splitlines(), exit_code)


GOOD = run_of("1..2\nok 1 a\nok 2 b")
SKIPPED = run_of("1..2\nok 1 a\nok 2 b # SKIP no swap")
BAD = run_of("1..1\n# life.c:1: x\nnot ok 1 a", 1)


def test_success() -> None:
    assert result(GOOD).ok
    assert result(GOOD).failures() == []


def test_a_skipped_case_is_no_failure_where_that_is_said() -> None:
    run = dataclasses.replace(result(SKIPPED), skips_allowed=True)
    assert run.ok
    assert result(SKIPPED).failures() == ["life: b: skipped: no swap"]


@pytest.mark.parametrize(
    "bad",
    [
        result(),
        result(SKIPPED),
        result(GOOD, BAD),
        result(run_of("1..0 # SKIP this kernel has no msharefs", 4)),
        result(run_of("1..2\nok 1 a")),
        result(run_of("1..1\nok 1 a", None)),
        result(GOOD, findings=(Finding("life", "BUG: x", "BUG: x"),)),
        result(GOOD, problems=("the guest ended before its tests did",)),
    ],
)
def test_everything_that_makes_a_run_fail(bad: Result) -> None:
    assert not bad.ok
    assert bad.as_json()["ok"] is False


def test_failures_are_told_with_their_details() -> None:
    (text,) = result(BAD).failures()
    assert text == "life: a\n    life.c:1: x"


def test_junit(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    result(SKIPPED, BAD, findings=(Finding("life", "BUG: x", "BUG: x\ntrace"),)).write_junit(path)
    root = ElementTree.parse(path).getroot()  # noqa: S314 - we have just written it
    counts = [(suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in root]
    assert counts == [("2", "0", "1"), ("1", "1", "0"), ("1", "1", "0")]


def test_programs_are_those_of_the_makefile() -> None:
    makefile = (TESTS / "Makefile").read_text().replace("\\\n", " ")
    words, others = (
        makefile.split(f"\n{variable} :=")[1].split("\n")[0].split()
        for variable in ("TEST_GEN_PROGS", "TEST_GEN_PROGS_EXTENDED")
    )
    assert sorted(words) == sorted(program.name for program in programs.PROGRAMS)
    assert sorted((TESTS / ".gitignore").read_text().split()) == sorted([*words, *others])


def test_selection_keeps_the_order() -> None:
    assert [program.name for program in programs.select(["leak", "info"])] == ["info", "leak"]
    assert [program.name for program in programs.select(["kvm"])] == ["kvm"]
    usual = {program.name for program in programs.select([])}
    assert {program.name for program in programs.select([], debug=True)} - usual == {"cgroup1", "fail", "kvm"}
    assert usual - {program.name for program in programs.select([], quick=True)} == {"others"}
    assert [programs.select(["others"], debug=debug)[0].full for debug in (False, True)] == [
        ("-s", "20"),
        ("-q", "-s", "30"),
    ]
    with pytest.raises(UserError, match="no kernel selftest is named nonsense"):
        programs.select(["nonsense"])


def test_init_script_is_a_shell_script_with_each_program() -> None:
    text = guest.init_script(programs.PROGRAMS, quick=True, case_seconds=60, program_seconds=120)
    assert "run stress 120 -t 60 -q -s 8\n" in text
    for program in programs.PROGRAMS:
        assert f"\nrun {program.name} 120 " in text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_commands_of_this_machine_come_with_their_libraries(tmp_path: Path) -> None:
    (tmp_path / "others").write_bytes(b"")
    needs_libraries = programs.Program("others", commands=("ls",))
    guest.write_initramfs(tmp_path / "root.cpio", tmp_path, [needs_libraries], "")
    said = subprocess.run(
        ["cpio", "-it", "--quiet"],
        input=(tmp_path / "root.cpio").read_bytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    names = said.stdout.decode().split()
    assert {"bin/busybox", "tests/others", "usr/bin/ls"} <= set(names)
    (library,) = [name for name in names if name.endswith("/libc.so.6")]
    # The kernel makes no parents.
    assert names.index(str(Path(library).parent)) < names.index(library)
    assert len(names) == len(set(names))


def test_a_command_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="there is no nonesuch"):
        guest.write_initramfs(
            tmp_path / "x", tmp_path, [programs.Program("others", commands=("nonesuch",))], ""
        )
    assert not (tmp_path / "x").exists()


def build_json(directory: Path, flavour: str) -> None:
    (directory / "boot").mkdir()
    (directory / "boot/vmlinuz").write_bytes(b"")
    (directory / "build.json").write_text(json.dumps({"vmlinuz": "boot/vmlinuz", "flavour": flavour}))


@pytest.mark.parametrize(("flavour", "debug"), [("vm", False), ("vm-debug", True)])
def test_kernel_of_a_build(tmp_path: Path, flavour: str, debug: bool) -> None:
    build_json(tmp_path, flavour)
    assert guest.find_kernel(tmp_path, None) == (tmp_path / "boot/vmlinuz", debug)


def test_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no kernel build"):
        guest.find_kernel(tmp_path, None)
    with pytest.raises(UserError, match="there is no kernel image"):
        guest.find_kernel(tmp_path, tmp_path / "vmlinuz")


@pytest.mark.parametrize(("faults", "boots", "ok"), [(0, 1, True), (1, 2, True), (9, runner.BOOTS, False)])
def test_faults_of_the_emulator_boot_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: int, boots: int, ok: bool
) -> None:
    text = "Oops: int3: 0000 [#1]\nCode: 53 66 <90> e8"
    left = itertools.repeat(Finding("", text.splitlines()[0], text), faults)

    def boot(plan: runner.Plan) -> Result:
        console = plan.work / "console.log"
        console.write_text(text)
        found = tuple(itertools.islice(left, 1))
        return Result("6.12", (GOOD,), found, (), 1.0, console)

    for name in ("build_tests", "write_initramfs"):
        monkeypatch.setattr(guest, name, lambda *_: None)
    monkeypatch.setattr(runner, "_boot", boot)
    done = runner.execute(runner.Plan(tmp_path, tmp_path / "vmlinuz", [], tmp_path / "work"))
    assert (done.boots, done.ok) == (boots, ok)
    assert [path.name for path in sorted((tmp_path / "work").glob("console*.log"))] == [
        *(f"console-{number}.log" for number in range(1, boots)),
        "console.log",
    ]


def test_limits_of_a_debug_kernel_are_wider(tmp_path: Path) -> None:
    plan = runner.Plan(tmp_path, tmp_path / "vmlinuz", programs.PROGRAMS, tmp_path, quick=True)
    slow = runner.Plan(tmp_path, tmp_path / "vmlinuz", programs.PROGRAMS, tmp_path, quick=True, debug=True)
    assert slow.seconds == plan.seconds * runner.DEBUG_FACTOR


def test_qemu_gets_two_serial_ports_and_no_network(tmp_path: Path) -> None:
    plan = runner.Plan(tmp_path, tmp_path / "vmlinuz", programs.PROGRAMS, tmp_path, append="nosmap")
    arguments = runner.qemu_arguments(plan)
    assert arguments.count("-serial") == 2
    assert "-nodefaults" in arguments
    assert arguments[arguments.index("-append") + 1].endswith(" nosmap")


def test_guest_has_two_disks_in_the_order_that_its_init_expects(tmp_path: Path) -> None:
    plan = runner.Plan(tmp_path, tmp_path / "vmlinuz", programs.PROGRAMS, tmp_path)
    arguments = runner.qemu_arguments(plan)
    drives = [after for word, after in itertools.pairwise(arguments) if word == "-drive"]
    names = [Path(drive.split(",")[0].removeprefix("file=")).name for drive in drives]
    assert names == ["swap.img", "data.img"]
    init = guest.init_script(programs.PROGRAMS, quick=True, case_seconds=60, program_seconds=120)
    assert "swapon /dev/vda" in init
    assert "mount -t ext4 /dev/vdb /data" in init
    assert init.index("export MSHARE_DISK=/data") < init.index("\nrun files ")


def test_guest_has_persistent_memory_above_its_own(tmp_path: Path) -> None:
    arguments = runner.qemu_arguments(
        runner.Plan(tmp_path, tmp_path / "vmlinuz", programs.PROGRAMS, tmp_path, memory=512)
    )
    assert arguments[arguments.index("-m") + 1] == "512,maxmem=1536M"
    assert "virtio-pmem-pci,memdev=pmem" in arguments
    assert (
        f"mem-path={tmp_path / 'pmem.img'},size={guest.PMEM_SIZE}"
        in arguments[arguments.index("-object") + 1]
    )


def test_data_disk_is_an_empty_file_system_the_same_each_time(tmp_path: Path) -> None:
    one, two = tmp_path / "one.img", tmp_path / "two.img"
    guest.write_data(one)
    guest.write_data(two)
    assert one.stat().st_size == guest.DATA_SIZE
    assert one.stat().st_blocks * 512 < guest.DATA_SIZE // 10  # it is sparse
    superblock = one.read_bytes()[1024:2048]
    assert superblock[0x38:0x3A] == b"\x53\xef"  # ext4's magic number
    assert filecmp.cmp(one, two, shallow=False)


def test_no_mke2fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find", lambda _: None)
    with pytest.raises(InfraError, match="there is no mke2fs") as caught:
        guest.write_data(tmp_path / "data.img")
    assert caught.value.remedy == "install e2fsprogs"


def test_skip_where_there_is_no_msharefs(tmp_path: Path) -> None:
    """The programs say so, with exit code 4, instead of passing."""
    if shutil.which("gcc") is None:
        pytest.skip("no compiler here")
    if "msharefs" in Path("/proc/filesystems").read_text():
        pytest.skip("this machine has msharefs")
    guest.build_tests(TESTS.parents[2], tmp_path, ["info"])
    done = subprocess.run([tmp_path / "info"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stdout.splitlines()[1].startswith("1..0 # SKIP ")
