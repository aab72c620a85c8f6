"""Series and patches: reading, applying whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mshare_pkg.errors import UserError
from mshare_pkg.kernel.patching import apply_series, copy_src, list_src, touched
from mshare_pkg.kernel.series import Patch, read_series

OLD = "".join(f"line {number}\n" for number in range(1, 21))


def diff(name: str, old: str, new: str, context: tuple[str, str]) -> str:
    """A hunk that turns `old` into `new` between two lines of context, somewhere in the file."""
    before, after = context
    return f"--- a/{name}\n+++ b/{name}\n@@ -10,3 +10,3 @@\n {before}\n-{old}\n+{new}\n {after}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/a.c").write_text(OLD)
    (tree / "mm/b.c").write_text(OLD)
    return tree


def series_of(folder: Path, *texts: str) -> tuple[Patch, ...]:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.patch").write_text(text)
    (folder / "series").write_text("".join(f"{number}.patch\n" for number in range(len(texts))))
    return read_series(folder)


GOOD = diff("mm/a.c", "line 11", "line eleven", ("line 10", "line 12"))


def test_headings_and_comments(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.patch").write_text(GOOD)
    (tmp_path / "series").write_text(
        "# About all of it\n\n# Group one\n# in two lines\na.patch\nb.patch -p1\n\n# Second\nc.patch # why\n"
    )
    found = [(patch.name, patch.heading) for patch in read_series(tmp_path)]
    assert found[1:] == [("b.patch", found[0][1]), ("c.patch", "Second")]
    assert found[0][0] == "a.patch"
    assert found[0][1].endswith("Group one in two lines")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.patch -p0", "-p1 only"),
        ("../a.patch", "outside"),
        ("missing.patch", "no file missing.patch"),
        ("a.patch\na.patch", "twice"),
    ],
)
def test_bad_series(tmp_path: Path, line: str, said: str) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "a.patch").write_text(GOOD)
    (tmp_path / "a.patch").write_text(GOOD)
    (folder / "series").write_text(line + "\n")
    with pytest.raises(UserError, match=said):
        read_series(folder)


def test_no_series(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file `series`"):
        read_series(tmp_path)


def test_patches_build_on_each_other(tree: Path, tmp_path: Path) -> None:
    second = diff("mm/a.c", "line eleven", "line 11!", ("line 10", "line 12"))
    added = "--- /dev/null\n+++ b/mm/new/c.c\n@@ -0,0 +1 @@\n+new\n"
    removed = "--- a/mm/b.c\n+++ /dev/null\n@@ -1,20 +0,0 @@\n" + "".join(
        f"-{line}\n" for line in OLD.splitlines()
    )
    apply_series(tree, series_of(tmp_path / "s", GOOD, second, added, removed))
    assert "line 11!\n" in (tree / "mm/a.c").read_text()
    assert (tree / "mm/new/c.c").read_text() == "new\n"
    assert not (tree / "mm/b.c").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "tree"]


def test_rename_by_git(tree: Path, tmp_path: Path) -> None:
    text = "diff --git a/mm/a.c b/mm/z.c\nsimilarity index 100%\nrename from mm/a.c\nrename to mm/z.c\n"
    apply_series(tree, series_of(tmp_path / "s", text))
    assert (tree / "mm/z.c").read_text() == OLD
    assert not (tree / "mm/a.c").exists()


def test_offset_is_fine(tree: Path, tmp_path: Path) -> None:
    apply_series(tree, series_of(tmp_path / "s", diff("mm/a.c", "line 15", "x", ("line 14", "line 16"))))
    assert "line 14\nx\nline 16\n" in (tree / "mm/a.c").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (diff("mm/b.c", "line 11", "x", ("line 10", "line 12, once")), r"1\.patch .*mm/b\.c: hunk #1"),
        (diff("mm/b.c", "line 111", "x", ("line 10", "line 12")), r"mm/b\.c: hunk #1 \(at line 10\)"),
        (
            diff("mm/b.c", "line 11", "x", ("line 10", "line 12")).replace("b.c", "none.c"),
            r"mm/none\.c: all hunks, the file is not in the tree",
        ),
        (GOOD, r"mm/a\.c: seems to be applied already"),
        ("just words\n", "changes no file"),
        (diff("../../etc/passwd", "line 11", "x", ("line 10", "line 12")), "outside the tree"),
    ],
    ids=["fuzz", "hunk", "missing file", "applied", "no diff", "outside"],
)
def test_a_patch_that_fails_leaves_the_tree_alone(tree: Path, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        apply_series(tree, series_of(tmp_path / "s", GOOD, text))
    assert (tree / "mm/a.c").read_text() == OLD
    assert (tree / "mm/b.c").read_text() == OLD
    assert sorted(path.name for path in (tree / "mm").iterdir()) == ["a.c", "b.c"]


def test_second_hunk_is_named(tree: Path, tmp_path: Path) -> None:
    text = GOOD + "@@ -15,3 +15,3 @@\n line 15\n-line sixteen\n+x\n line 17\n"
    with pytest.raises(UserError, match=r"mm/a\.c: hunk #2 \(at line 15\)"):
        apply_series(tree, series_of(tmp_path / "s", text))


def test_touched() -> None:
    assert touched(GOOD) == {"mm/a.c"}
    assert touched("--- a/x\t2020-01-01\n+++ /dev/null\n") == {"x"}


def test_new_files(tree: Path, tmp_path: Path) -> None:
    src = tmp_path / "src"
    (src / "mm/deep").mkdir(parents=True)
    (src / "mm/deep/new.c").write_text("new\n")
    copy_src(tree, src, list_src(src))
    assert (tree / "mm/deep/new.c").read_text() == "new\n"


def test_new_files_never_overwrite(tree: Path, tmp_path: Path) -> None:
    src = tmp_path / "src"
    (src / "mm").mkdir(parents=True)
    (src / "mm/a.c").write_text("mine\n")
    (src / "mm/aa.c").write_text("mine\n")
    with pytest.raises(UserError, match=r"would overwrite files of the kernel: mm/a\.c"):
        copy_src(tree, src, list_src(src))
    assert (tree / "mm/a.c").read_text() == OLD
    assert not (tree / "mm/aa.c").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="no plain file"):
        list_src(tmp_path)
