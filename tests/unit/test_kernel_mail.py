"""`mshare kernel patch`: the series as mails that git takes and that make the same tree."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from kernel_toy import FAKELINUX, REPO

from mshare_pkg.commands.kernel import command
from mshare_pkg.errors import UserError
from mshare_pkg.kernel import mail
from mshare_pkg.kernel.patching import apply_series, copy_src, list_src
from mshare_pkg.kernel.series import read_series

KERNEL = FAKELINUX / "project/kernel"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(output: Path, signoff: bool = False) -> list[Path]:
    mails = mail.collect(FAKELINUX / "project", "6.12")
    return mail.write_series(
        mails, output, series="6.12", sender="A Name <a@example.org>", signoff=signoff, now=NOW
    )


def tree_of(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and ".git" not in file.parts
    }


def test_mails_make_the_tree_of_a_build(tmp_path: Path) -> None:
    built, mailed = tmp_path / "built", tmp_path / "mailed"
    for tree in (built, mailed):
        shutil.copytree(FAKELINUX / "tree", tree)
    apply_series(built, read_series(KERNEL / "patches/6.12"))
    copy_src(built, KERNEL / "src", list_src(KERNEL / "src"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(mailed)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "base"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run([*git, "am", "-q", *map(str, write(tmp_path / "mails")[1:])], check=True)
    assert tree_of(mailed) == tree_of(built)
    log = subprocess.run([*git, "log", "--format=%s|%an"], check=True, capture_output=True, text=True).stdout
    assert log.splitlines()[:-1] == [
        "mm: hand faults of regions to their host|A Name",
        "mm: let msharefs be configured|A Name",
        "mm: share page tables between processes|A Name",
        "samples: add msharefs examples|A Name",
        "uapi: add the user header of msharefs|A Name",
    ]


def test_headers_of_a_mail(tmp_path: Path) -> None:
    files = write(tmp_path, signoff=True)
    assert [path.name[:4] for path in files] == ["0000", "0001", "0002", "0003", "0004", "0005"]
    text = files[4].read_text()
    assert "Subject: [PATCH 6.12 4/5] mm: let msharefs be configured\n" in text
    assert "Date: Fri, 02 Jan 2026 03:04:05 +0000\n" in text
    assert (
        "The symbol comes with its dependency.\n\nSigned-off-by: A Name <a@example.org>\n---\n 2 insertions"
        in text
    )
    assert "mm: hand faults of regions to their host" in files[0].read_text()


def test_an_earlier_series_goes_and_other_files_stop_it(tmp_path: Path) -> None:
    (tmp_path / "0009-old.patch").write_text("")
    assert len(write(tmp_path)) == len(list(tmp_path.iterdir()))
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        write(tmp_path)
    assert (tmp_path / "0000-cover-letter.patch").exists()


def test_new_file_without_newline() -> None:
    assert mail.new_file(Path("a"), "x", executable=True).endswith(
        "new file mode 100755\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n"
    )
    assert mail.new_file(Path("a"), "", executable=False).endswith("new file mode 100644\n")


def test_every_mail_of_ours_says_why() -> None:
    mails = mail.collect(REPO, "6.12")
    assert [one.subject for one in mails if not one.body] == []
    assert len(mails) == len({one.subject for one in mails})


def test_paragraphs_of_a_mail_stay_apart() -> None:
    body = mail.of_new_files({Path("mm/mshare.c"): KERNEL / "src/mm/mshare.c"})[0].body
    paragraphs = body.split("\n\n")
    assert len(paragraphs) > 1
    assert max(len(line) for line in body.splitlines()) <= mail.BODY_COLUMNS


def test_a_new_file_without_a_mail() -> None:
    with pytest.raises(UserError, match=r"has a place for the new file drivers/x\.c"):
        mail.of_new_files({Path("drivers/x.c"): Path("x.c")})


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_ROOT", str(FAKELINUX / "project"))
    arguments = ["patch", "--output", str(tmp_path / "out"), "--from", "A <a@example.org>", "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "0005-mm-hand-faults" in result.stdout
