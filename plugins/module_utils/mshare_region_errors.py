# SPDX-License-Identifier: MIT
"""What can go wrong with a region, by whose it is; `exit_code` is that of the command `mshare region`."""

from __future__ import annotations


class RegionError(Exception):
    """The host did not do what it was asked: exit code 3.

    `message` says what was being done and what was found, `remedy` what the reader can do.
    """

    exit_code = 3

    def __init__(self, message, remedy=""):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self):
        return "%s; %s" % (self.message, self.remedy) if self.remedy else self.message


class NoMshare(RegionError):
    """msharefs is not mounted where it was looked for."""


class BadInput(RegionError):
    """What was asked for is wrong, whatever the host looks like: exit code 2."""

    exit_code = 2


class Refused(RegionError):
    """The change would hurt processes that use the region, and was not forced: exit code 1.

    `users` is a list of dicts as `mshare_region_users.find` gives them.
    """

    exit_code = 1

    def __init__(self, message, users, remedy="stop them, or use force"):
        super().__init__(message, remedy)
        self.users = users
