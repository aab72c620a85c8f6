# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Plan exact package versions on a Debian host. Pure functions, standard library only."""

from __future__ import annotations

import fnmatch

#: Our source alone, and any failure to fetch or verify it is an error (apt by itself only warns).
REFRESH = [
    "apt-get",
    "-q",
    "--error-on=any",
    "-o",
    "Dir::Etc::sourcelist=sources.list.d/mshare.sources",
    "-o",
    "Dir::Etc::sourceparts=-",
    "-o",
    "APT::Get::List-Cleanup=0",
    "-o",
    "DPkg::Lock::Timeout=120",
    "update",
]
_APT = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold"]


def known_versions(madison):
    """The versions that apt can install, as `apt-cache madison NAME...` prints: name to a set."""
    known = {}
    for line in madison.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 3 and not fields[2].endswith("Sources"):
            known.setdefault(fields[0], set()).add(fields[1])
    return known


def missing(installed, versions):
    """The wanted packages that are not installed in the wanted version ('' is any): name to version."""
    return {
        name: version
        for name, version in sorted(versions.items())
        if (installed.get(name) != version if version else name not in installed)
    }


def plan_install(wanted, known):
    """The commands that install packages: a refresh first when apt does not know a version.

    Args:
        wanted: name to version ('' is the newest), of packages that are missing.
        known: what `known_versions` returns.

    Returns:
        A list of argv.
    """
    if not wanted:
        return []
    stale = [
        name
        for name, version in wanted.items()
        if (version not in known.get(name, ()) if version else not known.get(name))
    ]
    install = [*_APT, "--no-install-recommends", "--allow-downgrades", "--no-remove", "install"]
    install += [name + ("=" + version if version else "") for name, version in sorted(wanted.items())]
    return ([REFRESH] if stale else []) + [install]


def plan_remove(installed, patterns):
    """The command that purges installed packages by shell patterns of names: a list of argv, maybe empty."""
    names = sorted(
        name for name in installed if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )
    return [[*_APT, "purge", *names]] if names else []
