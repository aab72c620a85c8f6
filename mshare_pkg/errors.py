"""The errors of this package, by whose they are.

Each message says what was being done, what was found, and what to do about it. The command line turns
them into exit codes: 1 a check that failed, 2 the user's error, 3 the infrastructure's.
"""


class MshareError(Exception):
    """Base of all errors that a user is meant to read.

    Args:
        message: what was being done and what was found.
        remedy: what the reader can do; printed on a line of its own.
    """

    exit_code = 3

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  what to do: {self.remedy}" if self.remedy else self.message


class CheckFailed(MshareError):
    """A check ran and its answer is no."""

    exit_code = 1


class UserError(MshareError):
    """The input is wrong: an argument, a file, a variable."""

    exit_code = 2


class InfraError(MshareError):
    """A tool, a machine or a network did not do what it was asked."""

    exit_code = 3


def of_the_system(error: OSError) -> InfraError:
    """What the system refused, for the reader: the last resort, where no caller knew more to say."""
    what = error.strerror or str(error) or type(error).__name__
    # Of two files, the second is the one that was to be made.
    paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
    return InfraError(
        ": ".join([what, *paths[-1:]]),
        "see to the path, its permissions and the space left, and run it again",
    )
