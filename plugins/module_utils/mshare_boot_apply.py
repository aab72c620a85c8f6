# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Carry out the actions that `mshare_boot` plans, and show them as a diff. Standard library only."""

from __future__ import annotations

import os
import tempfile

from .mshare_host import GRUBENV

MODE = 0o644


def _text(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""


def _env_text(env):
    return "".join("%s=%s\n" % item for item in sorted(env.items()))


def diff_of(actions, facts):
    """The files and variables that actions change, as Ansible's diff mode takes them: a list of dicts."""
    env = dict(facts["grub"]["env"] or {})
    before_env = _env_text(env)
    diffs = []
    for action in actions:
        if action["do"] == "write":
            diffs.append((action["path"], _text(action["path"]), action["content"]))
        elif action["do"] == "remove" and not os.path.isdir(action["path"]):
            diffs.append((action["path"], _text(action["path"]), ""))
        elif action["do"] == "env":
            env.update(action["set"])
            for name in action["unset"]:
                env.pop(name, None)
        elif action["do"] == "run":
            diffs.append(("run", "", " ".join(action["argv"]) + "\n"))
    if _env_text(env) != before_env:
        diffs.append((GRUBENV, before_env, _env_text(env)))
    return [
        {"before_header": name, "after_header": name, "before": before, "after": after}
        for name, before, after in diffs
        if before != after
    ]


def write_file(path, content):
    """Replace a file by text or bytes in one step, also across a loss of power; its directory is made."""
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=directory)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, MODE)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(directory)


def _sync_directory(directory):
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path):
    if os.path.isdir(path):
        if not os.listdir(path):
            os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


def carry_out(module, actions):
    """Do the actions in order; a program that fails ends the module with what it said.

    Args:
        module: the AnsibleModule, for running programs and for failing.
        actions: as the planners of `mshare_boot` return them.
    """
    for action in actions:
        if action["do"] == "write":
            write_file(action["path"], action["content"])
        elif action["do"] == "remove":
            _remove(action["path"])
        elif action["do"] == "env":
            words = ["%s=%s" % item for item in sorted(action["set"].items())]
            if words:
                _run(module, ["/usr/bin/grub-editenv", GRUBENV, "set", *words])
            if action["unset"]:
                _run(module, ["/usr/bin/grub-editenv", GRUBENV, "unset", *action["unset"]])
        else:
            _run(module, action["argv"])
    os.sync()


def _run(module, argv):
    code, out, err = module.run_command(argv)
    if code != 0:
        said = (err or out).strip()[-2000:]
        module.fail_json(msg="%s: exit code %d: %s" % (" ".join(argv), code, said), rc=code)
