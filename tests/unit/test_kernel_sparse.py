"""sparse over the series: what counts is what it says of the lines that the series adds."""

from __future__ import annotations

from mshare_pkg.kernel.sparse import new_lines, said_of

OUTPUT = """\
  CHECK   mm/mincore.c
mm/mincore.c:3:9: warning: incorrect type in return expression (different address spaces)
mm/mincore.c:3:9:    expected int *
mm/mincore.c:1:1: warning: symbol 'old' was not declared. Should it be static?
./include/linux/mshare.h:2:5: warning: cast removes address space '__user' of expression
./include/linux/mshare.h:2:5: warning: cast removes address space '__user' of expression
mm/mincore.c:1:5: error: incompatible types in comparison expression (different address spaces)
mm/mincore.c:2:5: error: undefined identifier 'x'
mm/other.c:3:9: warning: context imbalance in 'f' - wrong count at exit
"""


def test_new_lines_are_those_that_were_added_or_changed() -> None:
    assert new_lines("a\nb\nc\n", "a\nx\nb\nC\n") == {2, 4}
    assert new_lines("", "a\nb\n") == {1, 2}
    assert new_lines("a\nb\n", "a\n") == set()


def test_what_is_said_of_other_lines_does_not_count_and_headers_count_once() -> None:
    said = said_of(OUTPUT, {"mm/mincore.c": {2, 3}, "include/linux/mshare.h": {1, 2}})
    assert said == [
        "mm/mincore.c:3: warning: incorrect type in return expression (different address spaces)",
        "./include/linux/mshare.h:2: warning: cast removes address space '__user' of expression",
        "mm/mincore.c:2: error: undefined identifier 'x'",
    ]
    assert said_of(OUTPUT, {}) == []
