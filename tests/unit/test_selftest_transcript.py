from pathlib import Path

from mshare_pkg.kernel_selftest.transcript import Follower, Transcript

TEXT = """\
@@ kernel 6.12.0-mshare1-vm\r
@@ begin info\r
TAP version 13\r
1..1\r
ok 1 fine\r
@@ end info 0\r
@@ begin mount\r
1..1\r
not ok 1 bad\r
@@ end mount 1\r
@@ done\r
"""


def read(text: str, piece: int = 7) -> Transcript:
    transcript = Transcript()
    for start in range(0, len(text), piece):
        transcript.feed(text[start : start + piece])
    return transcript


def test_pieces_of_any_size_give_the_same() -> None:
    for piece in (1, 2, 5, 1000):
        transcript = read(TEXT, piece)
        assert transcript.release == "6.12.0-mshare1-vm"
        assert [(run.name, run.exit_code) for run in transcript.runs] == [("info", 0), ("mount", 1)]
        assert transcript.runs[0].report.cases[0].outcome == "passed"
        assert transcript.done


def test_failed_cases_are_not_told_twice() -> None:
    assert read(TEXT).runs[1].problems() == []


def test_program_that_never_ended() -> None:
    transcript = read("@@ begin stress\n1..1\n")
    assert not transcript.done
    assert transcript.runs[0].problems() == ["1 tests were planned, 0 reported", "it never ended"]


def test_program_that_was_killed() -> None:
    run = read("@@ begin stress\n1..1\n@@ end stress 137\n").runs[0]
    assert "it was killed: its time was over" in run.problems()


def test_exit_code_that_contradicts_the_lines() -> None:
    assert read("@@ begin a\n1..1\nok 1 x\n@@ end a 1\n").runs[0].problems()
    assert read("@@ begin a\n1..1\nnot ok 1 x\n@@ end a 0\n").runs[0].problems()


def test_follower_reads_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "log"
    follower = Follower(path)
    assert follower.more() == ""
    path.write_text("one\n")
    assert follower.more() == "one\n"
    path.write_text("one\ntwo\n")
    assert follower.more() == "two\n"
    assert follower.more() == ""
