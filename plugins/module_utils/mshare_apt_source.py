# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Plan a host's trust in the project's apt repository: key, source, pin, and when to fetch the index.

Planners are pure functions; what they plan is `{"do": "write", "path", "base64" or "content"}`,
`{"do": "remove", "path"}` and `{"do": "run", "argv"}`. Standard library only.
"""

from __future__ import annotations

import base64
import os

from .mshare_packages import REFRESH

KEY = "/etc/apt/keyrings/mshare.gpg"
SOURCE = "/etc/apt/sources.list.d/mshare.sources"
PIN = "/etc/apt/preferences.d/mshare"
LISTS = "/var/lib/apt/lists"

PIN_TEXT = """\
Explanation: Managed by the role mshare.fleet.mshare_repo. The repository offers its own packages,
Explanation: and can never replace one of the distribution's.
Package: linux-image-*mshare* linux-headers-*mshare* mshare-*
Pin: release o=mshare
Pin-Priority: 500

Package: *
Pin: release o=mshare
Pin-Priority: -1
"""


def source_text(url, suite, components):
    """The source in deb822 form; its key is trusted for it alone."""
    return (
        "# Managed by the role mshare.fleet.mshare_repo.\n"
        "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nArchitectures: amd64\nSigned-By: %s\n"
    ) % (url, suite, " ".join(components), KEY)


def read(reader, suite):
    """What a host has: the bytes of each file (None when missing), and the lists that apt has kept."""
    found = {path: reader.data(path) for path in (KEY, PIN, SOURCE)}
    found["lists"] = reader.glob("%s/*_dists_%s_*" % (LISTS, suite))
    return found


def plan_present(found, url, suite, components, key):
    """Actions that make a host trust the repository; a missing index, or one of older files, is fetched.

    Args:
        found: what `read` returns.
        url, suite, components: of the repository.
        key: its public key, bytes.
    """
    wanted = {KEY: key, PIN: PIN_TEXT.encode(), SOURCE: source_text(url, suite, components).encode()}
    actions = [
        {"do": "write", "path": path, "base64": base64.b64encode(data).decode()}
        for path, data in wanted.items()
        if found[path] != data
    ]
    fetched = any(path.endswith("_InRelease") for path in found["lists"])
    return actions + ([{"do": "run", "argv": REFRESH}] if actions or not fetched else [])


def plan_absent(found):
    """Actions that take the repository away from a host."""
    paths = [path for path in (SOURCE, PIN, KEY) if found[path] is not None]
    return [{"do": "remove", "path": path} for path in paths + found["lists"]]


def plan_undo(actions, found):
    """Actions that give back what was there before others, so that a refused repository leaves nothing."""
    undo = []
    for action in actions:
        if action["do"] == "write":
            old = found[action["path"]]
            if old is None:
                undo.append({"do": "remove", "path": action["path"]})
            else:
                undo.append({"do": "write", "path": action["path"], "base64": base64.b64encode(old).decode()})
    return undo


def content_of(action):
    """The bytes that a write action writes."""
    return base64.b64decode(action["base64"])


def remove(path):
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _shown(path, data):
    if data is None:
        return ""
    return "(a key of %d bytes)\n" % len(data) if path == KEY else data.decode("utf-8", "replace")


def diff_of(actions, found):
    """The changes as Ansible's diff mode takes them."""
    diffs = []
    for action in actions:
        if action["do"] != "run" and action["path"] in found:
            after = content_of(action) if action["do"] == "write" else None
            path = action["path"]
            before, after = _shown(path, found[path]), _shown(path, after)
            diffs.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return diffs
