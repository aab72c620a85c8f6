"""The errors: their exit codes, and messages that end in what to do."""

from __future__ import annotations

import pytest

from mshare_pkg.errors import CheckFailed, InfraError, MshareError, UserError


@pytest.mark.parametrize(
    ("kind", "code"), [(CheckFailed, 1), (UserError, 2), (InfraError, 3), (MshareError, 3)]
)
def test_exit_codes_tell_whose_error_it_is(kind: type[MshareError], code: int) -> None:
    assert kind("no").exit_code == code


def test_the_remedy_has_a_line_of_its_own() -> None:
    assert (
        str(UserError("no such host", "name one of a, b")) == "no such host\n  what to do: name one of a, b"
    )
    assert str(UserError("no such host")) == "no such host"
