import io
import stat
import subprocess
from pathlib import Path

import pytest

from mshare_pkg.kernel_selftest.cpio import Archive


def written(archive: Archive) -> bytes:
    out = io.BytesIO()
    archive.write(out)
    return out.getvalue()


def test_header_and_padding_are_as_the_kernel_reads_them() -> None:
    archive = Archive()
    archive.file("abc", b"12345", 0o755)
    data = written(archive)
    assert data[:6] == b"070701"
    fields = [int(data[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
    assert fields[1] == stat.S_IFREG | 0o755
    assert (fields[6], fields[11]) == (5, 4)
    assert data[110:114] == b"abc\0"
    body = 116  # the name is padded to a multiple of four
    assert data[body : body + 8] == b"12345\0\0\0"
    assert b"TRAILER!!!\0" in data
    assert len(data) % 4 == 0


def test_device_numbers() -> None:
    archive = Archive()
    archive.character_device("console", 5, 1)
    data = written(archive)
    assert int(data[6 + 8 * 9 : 14 + 8 * 9], 16) == 5
    assert int(data[6 + 8 * 10 : 14 + 8 * 10], 16) == 1


def test_cpio_unpacks_it(tmp_path: Path) -> None:
    archive = Archive()
    archive.directory("dir")
    archive.file("dir/file", b"content\n" * 1000)
    archive.symlink("dir/link", "file")
    try:
        subprocess.run(["cpio", "-id", "--quiet"], input=written(archive), cwd=tmp_path, check=True)
    except FileNotFoundError:
        pytest.skip("no cpio here")
    assert (tmp_path / "dir/file").read_bytes() == b"content\n" * 1000
    assert (tmp_path / "dir/link").readlink() == Path("file")
