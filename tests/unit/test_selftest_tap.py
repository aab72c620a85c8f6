from mshare_pkg.kernel_selftest import tap

GOOD = """\
TAP version 13
1..3
ok 1 one thing
# a note
ok 2 another thing
ok 3 a third # SKIP no swap
# Totals: pass:2 fail:0
"""


def parse(text: str) -> tap.Report:
    return tap.parse(text.splitlines())


def test_good_report() -> None:
    report = parse(GOOD)
    assert [case.outcome for case in report.cases] == ["passed", "passed", "skipped"]
    assert report.cases[1].detail == "a note"
    assert report.cases[2].name == "a third"
    assert report.cases[2].detail == "no swap"
    assert report.problems() == []


def test_failure_has_the_notes_before_it() -> None:
    report = parse("1..1\n# mmap.c:12: p == q\nnot ok 1 mappings agree\n")
    assert report.cases[0].outcome == "failed"
    assert report.cases[0].detail == "mmap.c:12: p == q"


def test_no_plan() -> None:
    assert parse("ok 1 something\n").problems() == ["it printed no plan"]


def test_nothing_at_all() -> None:
    assert parse("").problems() == ["it printed no plan"]


def test_too_few_lines() -> None:
    assert parse("1..2\nok 1 something\n").problems() == ["2 tests were planned, 1 reported"]


def test_skip_of_everything_by_plan() -> None:
    report = parse("1..0 # SKIP this kernel has no msharefs\n")
    assert report.problems() == ["it skipped everything: this kernel has no msharefs"]


def test_skip_of_everything_by_lines() -> None:
    assert parse("1..1\nok 1 a # SKIP no\n").problems() == ["every test was skipped"]


def test_empty_plan() -> None:
    assert parse("1..0\n").problems() == ["its plan has no test"]


def test_wrong_number_is_a_failure() -> None:
    report = parse("1..2\nok 1 a\nok 3 b\n")
    assert [case.outcome for case in report.cases] == ["passed", "failed"]
