"""The whole change of a base as a series of mails, as kernel developers read it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path

from ..errors import UserError
from .patching import list_src
from .series import Patch, read_series

#: The text of a commit is not wider: scripts/checkpatch.pl.
BODY_COLUMNS = 75


@dataclass(frozen=True)
class Group:
    """New files that go into one mail.

    Attributes:
        subject: of the mail.
        places: files and directories of the kernel tree.
        why: the mail's text.
    """

    subject: str
    places: tuple[str, ...]
    why: str


def _selftests(*names: str) -> tuple[str, ...]:
    return tuple(f"tools/testing/selftests/mshare/{name}" for name in names)


#: The mails of new files, in order; a file goes into the first that has a place for it. None is compiled
#: before the patch of Kconfig and Makefile at the series' end, so that the kernel builds after each.
GROUPS = (
    Group(
        "uapi: add the user header of msharefs",
        ("include/uapi",),
        "The ioctls that put objects into a region and take them out, and what they are\n"
        "given. Numbers and layouts are those of the published interface.",
    ),
    Group(
        "mm: declare what the hooks of msharefs ask and call",
        ("include/linux",),
        "Without CONFIG_MSHARE the tests are constant, and the calls behind them are\n"
        "dropped, so that the hooks that follow cost nothing.",
    ),
    Group(
        "Documentation: describe msharefs",
        ("Documentation",),
        "For those who use it: what a region is, how it is made and attached, what each\n"
        "call answers, and what regions leave out.",
    ),
    Group(
        "samples: add msharefs examples",
        ("samples",),
        "A program that makes a region and one that attaches to it: less to read than the\n"
        "selftests for those who begin, and what a package can ship.",
    ),
    Group(
        "mm: share page tables between processes",
        ("mm/mshare.h", "mm/mshare.c"),
        "Processes that map the same memory each have page tables of their own for it:\n"
        "with enough processes these take more memory than what they map.\n"
        "\n"
        "The objects of a region are mapped in an mm that runs no task. The upper page\n"
        "tables of a process that attaches point to the lower ones of that mm: a page that\n"
        "one process has faulted in is there for all. The comment at the file's head tells\n"
        "about lifetime, locking and TLBs.",
    ),
    Group(
        "mm: map objects in a region",
        ("mm/mshare_object.c",),
        "Anonymous memory, huge pages and files, put into the mm of a region and taken\n"
        "out of it by a process that does not run on it, which mmap() cannot do.",
    ),
    Group(
        "mm: add msharefs, the filesystem of regions",
        ("mm/msharefs.c",),
        "Regions have names, owners and modes, and are found, limited and listed as\nfiles are.",
    ),
    Group(
        "selftests/mshare: add a harness",
        _selftests(
            *("Makefile", "harness.c", "harness.h", "region.c", "region.h", "groups.c", "groups.h"),
            *("level.c", "level.h", "objfile.c", "objfile.h", "settings", "config", ".gitignore"),
        ),
        "Each case runs in a process of its own, with an instance of msharefs of its own\n"
        "and a time limit: a crash or a hang costs one case.",
    ),
    Group(
        "selftests/mshare: test mounts, and the life of a region",
        _selftests("info.c", "mount.c", "life.c"),
        "Options, limits and owners of an instance; how a region is made, attached,\nlisted and forgotten.",
    ),
    Group(
        "selftests/mshare: test what bad input gets",
        _selftests("input.c", "mmap.c"),
        "A case for each row of the table in the documentation.",
    ),
    Group(
        "selftests/mshare: test who may touch what, fork and exit",
        _selftests("access.c", "fork.c", "maps.c", "kvm.c"),
        "Loads and stores of processes and of the kernel for them, pins, what a child\n"
        "gets, what a killed process leaves, and what /proc tells of all that.",
    ),
    Group(
        "selftests/mshare: test that what is unmapped is gone",
        _selftests("unmap.c", "leak.c", "sharing.c"),
        "At once, for every process on every CPU, with its memory and its page tables;\n"
        "and that there is one copy of these, however many processes attach.",
    ),
    Group(
        "selftests/mshare: test files and huge pages as objects",
        _selftests("files.c", "disk.c", "hugetlb.c"),
        "One content, however it is reached; truncation, holes, seals, write-back; the\npool of huge pages.",
    ),
    Group(
        "selftests/mshare: test memory cgroups, swap and migration",
        _selftests("cgroup.c", "cgroup1.c", "swap.c", "move.c"),
        "Who is charged, what a limit does, and that content stays while its pages are\n"
        "swapped, split, merged, moved and poisoned.",
    ),
    Group(
        "selftests/mshare: let allocations fail, and do random things",
        _selftests("fail.c", "fuzz.c", "stress.c", "others.c"),
        "Every allocation of each call fails once. Random calls with random arguments;\n"
        "random operations by many processes, with an oracle that knows each page; and\n"
        "programs of others beside a region in use.",
    ),
    Group(
        "selftests/mshare: measure what a region saves and costs",
        _selftests("bench.c", "cost.c"),
        "Beside other shared memory, and in instructions for those that do not use it.",
    ),
)
_MAIL = re.compile(r"[0-9]{4}-.*\.patch")
_DIFF = re.compile(r"^(?:diff |--- |Index: )", re.MULTILINE)
_HEADER = re.compile(r"^(?P<name>[A-Z][A-Za-z-]*): (?P<value>.*)$")


@dataclass(frozen=True)
class Mail:
    """One mail of the series, without its number.

    Attributes:
        subject: without the [PATCH ...] prefix.
        body: the text above the diff, which may be empty.
        diff: the change.
    """

    subject: str
    body: str
    diff: str

    def stat(self) -> tuple[int, int]:
        """Lines that the diff adds and removes."""
        lines = self.diff.splitlines()
        added = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
        removed = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
        return added, removed


def new_file(path: Path, text: str, executable: bool) -> str:
    """The diff that adds a file to the kernel tree."""
    lines = text.splitlines()
    head = f"diff --git a/{path} b/{path}\nnew file mode {'100755' if executable else '100644'}\n"
    if not lines:
        return head
    end = "" if text.endswith("\n") else "\\ No newline at end of file\n"
    count = "1" if len(lines) == 1 else f"1,{len(lines)}"
    return (
        f"{head}--- /dev/null\n+++ b/{path}\n@@ -0,0 +{count} @@\n"
        + "".join(f"+{line}\n" for line in lines)
        + end
    )


def of_new_files(files: dict[Path, Path]) -> list[Mail]:
    """The mails that add new files: path in the kernel tree -> the file, grouped by `GROUPS`.

    Raises:
        UserError: a file has no place in any of them.
    """
    grouped: dict[Group, list[Path]] = {group: [] for group in GROUPS}
    for path in sorted(files):
        group = next(
            (group for group in GROUPS if any(path.is_relative_to(place) for place in group.places)), None
        )
        if group is None:
            raise UserError(
                f"no mail of the series has a place for the new file {path}",
                "remove it, or name a place for it in mail.GROUPS",
            )
        grouped[group].append(path)
    mails = []
    for group, paths in grouped.items():
        if paths:
            diff = "".join(
                new_file(path, files[path].read_text(), bool(files[path].stat().st_mode & 0o100))
                for path in paths
            )
            mails.append(Mail(group.subject, _wrapped(group.why), diff))
    return mails


def _wrapped(text: str) -> str:
    """Paragraphs, each filled to the width of a commit's text."""
    return "\n\n".join(textwrap.fill(part, BODY_COLUMNS) for part in text.split("\n\n"))


def of_patch(patch: Patch) -> Mail:
    """The mail of an entry of the series; its subject is the patch's Subject, or its first line."""
    text = patch.path.read_text()
    start = _DIFF.search(text)
    if start is None:
        raise UserError(f"patch {patch.name} has no diff", "take it off the series")
    lines = text[: start.start()].splitlines()
    if lines and lines[-1] == "---":
        lines.pop()
    subject = ""
    while lines and (match := _HEADER.match(lines[0])):
        if match["name"] == "Subject":
            subject = re.sub(r"^\[[^]]*\]\s*", "", match["value"])
        lines.pop(0)
    while lines and not lines[0].strip():
        lines.pop(0)
    if not subject:
        subject = lines.pop(0) if lines else patch.name.removesuffix(".patch")
    return Mail(subject, "\n".join(lines).strip(), text[start.start() :])


def collect(root: Path, series: str) -> list[Mail]:
    """The mails of a base's series, in an order in which the kernel builds after each: new files first.

    Raises:
        UserError: the series or a new file is wrong.
    """
    kernel = root / "kernel"
    files = {path: kernel / "src" / path for path in list_src(kernel / "src")}
    tests = kernel / "selftests" / "mshare"
    if tests.is_dir():
        files |= {Path("tools/testing/selftests/mshare") / path: tests / path for path in list_src(tests)}
    patches = read_series(kernel / "patches" / series)
    return [*of_new_files(files), *map(of_patch, patches)]


def as_patches(folder: Path, mails: Sequence[Mail]) -> list[Patch]:
    """Write the diffs of mails into a directory, and return them as a series to apply."""
    patches = []
    for number, mail in enumerate(mails, 1):
        path = folder / f"{number:04}.patch"
        path.write_text(mail.diff)
        patches.append(Patch(mail.subject, path, ""))
    return patches


def _render(mail: Mail, prefix: str, sender: str, date: str, signoff: bool) -> str:
    """The text of one mail."""
    signed = f"Signed-off-by: {sender}"
    body = mail.body
    if signoff and signed not in body.splitlines():
        body = f"{body}\n\n{signed}".lstrip()
    added, removed = mail.stat()
    return (
        f"From: {sender}\nDate: {date}\nSubject: [{prefix}] {mail.subject}\n\n"
        + (f"{body}\n" if body else "")
        + f"---\n {added} insertions(+), {removed} deletions(-)\n\n{mail.diff.rstrip(chr(10))}\n-- \nmshare\n"
    )


def write_series(
    mails: Sequence[Mail], output: Path, *, series: str, sender: str, signoff: bool, now: datetime
) -> list[Path]:
    """Write the mails with a cover letter into a directory, as git-send-email and git-am take them.

    Args:
        mails: the series.
        output: the directory, made when missing; it may hold nothing but an earlier series, which goes.
        series: kernel base, for the subject prefix.
        sender: "Name <address>".
        signoff: add a Signed-off-by line of the sender.
        now: the date of the mails, with a time zone.

    Returns:
        The files, in order.

    Raises:
        UserError: the directory holds something else.
    """
    output.mkdir(parents=True, exist_ok=True)
    old = sorted(output.iterdir())
    if strange := [path.name for path in old if not _MAIL.fullmatch(path.name)]:
        raise UserError(
            f"{output} holds {strange[0]}, which is no mail of a series", "name an empty directory"
        )
    for path in old:
        path.unlink()
    date = format_datetime(now)
    count = len(mails)
    added, removed = (sum(numbers) for numbers in zip(*(mail.stat() for mail in mails), strict=True))
    contents = "\n".join(f"  {mail.subject}" for mail in mails)
    cover = (
        f"From: {sender}\nDate: {date}\n"
        f"Subject: [PATCH {series} 0/{count}] msharefs: page tables that processes share\n\n"
        "Processes that map a region of msharefs use the same page tables for it: their cost\n"
        "does not grow with the number of processes. New files come first, then the hooks.\n\n"
        f"{contents}\n\n {added} insertions(+), {removed} deletions(-)\n-- \nmshare\n"
    )
    written = [output / "0000-cover-letter.patch"]
    written[0].write_text(cover)
    for number, mail in enumerate(mails, 1):
        slug = re.sub(r"[^a-z0-9]+", "-", mail.subject.lower()).strip("-")[:52]
        path = output / f"{number:04d}-{slug}.patch"
        path.write_text(_render(mail, f"PATCH {series} {number}/{count}", sender, date, signoff))
        written.append(path)
    return written
