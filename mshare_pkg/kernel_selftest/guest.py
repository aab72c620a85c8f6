"""The guest: static test programs in an initramfs, with an init that runs them one after the other."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import InfraError, UserError
from ..lab import needs
from ..run import run
from .cpio import Archive
from .programs import Program

#: Size of the disk that the guest swaps to, in bytes; the file is sparse.
SWAP_SIZE = 256 << 20

#: Size of the disk with the guest's file system, in bytes; the file is sparse.
DATA_SIZE = 256 << 20

#: The same of the disk that is memory, and whose files are, too.
PMEM_SIZE = 32 << 20

#: What mke2fs would else take from the clock and from chance: the same files, the same disk, each run.
_DATA_UUID = "6d736861-7265-4000-8000-000000000001"
_DATA_HASH_SEED = "6d736861-7265-4000-8000-000000000002"

_INIT = """\
#!/bin/sh
# Runs the selftests. Their output goes to the second serial port, so that kernel messages do not cut into it.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
exec </dev/null >/dev/ttyS1 2>&1
echo "@@ kernel $(uname -r)"
if [ -b /dev/vda ]; then
    mkswap /dev/vda >/dev/null && swapon /dev/vda
fi
if [ -b /dev/vdb ] && mount -t ext4 /dev/vdb /data; then
    export MSHARE_DISK=/data
fi
# The first memory cgroup makes the kernel patch its code below running CPUs, which QEMU's TCG can get wrong
# ("Oops: int3" in __alloc_pages was seen): let it be while nothing else runs.
if mount -t cgroup2 none /sys/fs/cgroup; then
    echo +memory >/sys/fs/cgroup/cgroup.subtree_control
    mkdir /sys/fs/cgroup/first && rmdir /sys/fs/cgroup/first
    umount /sys/fs/cgroup
fi
cd /tmp
# Has the kernel log what each CPU and each task does, if nobody ends this within so many seconds.
tell_after() {
    trap 'kill $nap; exit' TERM
    sleep "$1" &
    nap=$!
    wait $nap
    for key in l w m t; do echo $key >/proc/sysrq-trigger; done
}
run() {
    name=$1
    seconds=$2
    shift 2
    echo "mshare-selftest: begin $name" >/dev/kmsg
    echo "@@ begin $name"
    tell_after $((seconds - 15)) &
    timeout -s KILL "$seconds" "/tests/$name" "$@"
    status=$?
    kill $!
    wait
    echo "@@ end $name $status"
}
"""

_END = """\
echo "mshare-selftest: begin shutdown" >/dev/kmsg
swapoff -a
umount /data
sleep 1
echo "@@ done"
sleep 1
reboot -f
"""

_APPLETS = (
    *("sh", "cat", "ls", "mkdir", "rmdir", "sleep", "timeout", "uname", "reboot"),
    *("mount", "umount", "mkswap", "swapon", "swapoff"),
)


def build_tests(root: Path, output: Path, names: Sequence[str], compiler: str = "gcc") -> None:
    """Compile test programs, static, into a directory; what is up to date stays.

    Raises:
        InfraError: the compiler fails; the message has its output.
    """
    run(
        [
            *("make", "-C", root / "kernel" / "selftests" / "mshare", f"CC={compiler}"),
            *(f"OUTPUT={output.absolute()}", "-j2"),
            *(str(output.absolute() / name) for name in names),
        ],
        doing="compiling the kernel selftests",
        remedy="see the compiler's message; the headers are in kernel/src/include/uapi",
    )


def init_script(programs: Sequence[Program], *, quick: bool, case_seconds: int, program_seconds: int) -> str:
    """The guest's /init, as text: every program with its arguments and its limits in seconds."""
    lines = []
    for program in programs:
        arguments = program.quick if quick else program.full
        words = [program.name, str(program_seconds), "-t", str(case_seconds), *arguments]
        lines.append(f"run {shlex.join(words)}\n")
    return _INIT + "".join(lines) + _END


def write_initramfs(path: Path, tests: Path, programs: Sequence[Program], init: str) -> None:
    """Write the guest's root: busybox, the init and the test programs. It needs no root here.

    Raises:
        InfraError: there is no static busybox on this machine.
    """
    archive = Archive()
    commands = _with_libraries([name for program in programs for name in program.commands])
    folders = {Path(name) for name in ("bin", "data", "dev", "proc", "sys", "tmp", "tests")}
    folders.update(parent for place in commands for parent in place.relative_to("/").parents if parent.name)
    for folder in sorted(folders):
        archive.directory(str(folder))
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/null", 1, 3)
    archive.file("init", init.encode(), 0o755)
    archive.file("bin/busybox", _busybox().read_bytes(), 0o755)
    for applet in _APPLETS:
        archive.symlink(f"bin/{applet}", "busybox")
    for name in dict.fromkeys(program.name for program in programs):
        archive.file(f"tests/{name}", (tests / name).read_bytes(), 0o755)
    for place, source in commands.items():
        archive.file(str(place.relative_to("/")), source.read_bytes(), 0o755)
    with path.open("wb") as out:
        archive.write(out)


def _with_libraries(commands: Sequence[str]) -> dict[Path, Path]:
    """Commands of this machine, and the libraries that they need: place in the guest -> place here.

    Raises:
        InfraError: one is not installed.
    """
    found: dict[Path, Path] = {}
    for name in commands:
        program = shutil.which(name)
        if program is None:
            raise InfraError(f"making the guest's initramfs: there is no {name}", f"install {name}")
        found[Path("/usr/bin") / name] = Path(program)
        said = run(["ldd", program], doing=f"asking which libraries {name} needs").stdout
        libraries = [Path(word) for word in said.split() if word.startswith("/")]
        found.update(zip(libraries, libraries, strict=True))
    return found


def write_swap(path: Path) -> None:
    """Make the empty, sparse file that the guest swaps to."""
    with path.open("wb") as out:
        out.truncate(SWAP_SIZE)


def write_data(path: Path) -> None:
    """Make the sparse file with the empty ext4 file system that the guest mounts on /data.

    Raises:
        InfraError: mke2fs is not installed, or failed.
    """
    _make_ext4(path, DATA_SIZE)


def write_pmem(path: Path) -> None:
    """Make the ext4 file system of the guest's persistent memory, with a file of zeros for the test of such.

    It is there from the start so that the guest need not write: the driver was seen to wait for ever for the
    end of a flush.

    Raises:
        InfraError: mke2fs is not installed, or failed.
    """
    with tempfile.TemporaryDirectory() as content:
        with Path(content, "file").open("wb") as out:
            out.write(bytes(2 << 20))
        _make_ext4(path, PMEM_SIZE, "-d", content)


def _make_ext4(path: Path, size: int, *options: str) -> None:
    remedy = "install e2fsprogs"
    mke2fs = needs.find("mke2fs")
    if mke2fs is None:
        raise InfraError("making the guest's disk: there is no mke2fs", remedy)
    with path.open("wb") as out:
        out.truncate(size)
    run(
        [
            *(mke2fs, "-q", "-F", "-t", "ext4", "-b", "4096", "-N", "1024", "-J", "size=4", "-U", _DATA_UUID),
            *("-E", f"hash_seed={_DATA_HASH_SEED},lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
            *options,
            path,
        ],
        doing="making the guest's disk",
        env={"E2FSPROGS_FAKE_TIME": "1"},
        remedy=remedy,
    )


def _busybox() -> Path:
    found = shutil.which("busybox")
    if found is None:
        raise InfraError("making the guest's initramfs: there is no busybox", "install busybox-static")
    path = Path(found)
    if b"/lib64/ld-linux" in path.read_bytes()[:4096]:
        raise InfraError(f"making the guest's initramfs: {path} is not static", "install busybox-static")
    return path


def find_kernel(build: Path, vmlinuz: Path | None) -> tuple[Path, bool]:
    """The kernel image to boot, and whether it is a debug build, which runs several times slower.

    Args:
        build: directory with build.json; not looked at when `vmlinuz` is given.
        vmlinuz: an image by its own name.

    Raises:
        UserError: there is no such image or no build.
    """
    if vmlinuz is not None:
        if not vmlinuz.is_file():
            raise UserError(f"there is no kernel image {vmlinuz}", "name another with --vmlinuz")
        return vmlinuz, False
    return _kernel_of_build(build)


def _kernel_of_build(build: Path) -> tuple[Path, bool]:
    record = build / "build.json"
    remedy = "run `mshare kernel build`, or name an image with --vmlinuz"
    if not record.is_file():
        raise UserError(f"there is no kernel build in {build}", remedy)
    data = json.loads(record.read_text())
    image = build / str(data["vmlinuz"])
    if not image.is_file():
        raise UserError(f"{record} names {image}, which is not there", remedy)
    return image, str(data["flavour"]).endswith("-debug")
