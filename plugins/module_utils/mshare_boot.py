# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Plan what the bootloader of a host needs: pure functions from facts to actions.

Facts are what `mshare_host.read_host` returns. A plan is `{"refusals": [...], "actions": [...], "why":
str}`; with refusals there are no actions, without actions nothing is to be changed and `why` says so.
Actions, each a dict:

* `{"do": "write", "path", "content"}`: the whole file, replaced in one step;
* `{"do": "remove", "path"}`: a file, or a directory that is empty;
* `{"do": "env", "set": {...}, "unset": [...]}`: variables of GRUB's environment block;
* `{"do": "run", "argv": [...]}`.
"""

from __future__ import annotations

import json

from .mshare_boot_checks import refusal
from .mshare_grub import entry_for, find, flat_id
from .mshare_host import BEFORE, DROPIN, GRUBENV, STATE_DIR
from .mshare_trial import TRIAL, UNIT

UPDATE_GRUB = {"do": "run", "argv": ["/usr/sbin/update-grub"]}
DISABLE_GUARD = {"do": "run", "argv": ["systemctl", "disable", "--now", "--quiet", UNIT]}
ENABLE_GUARD = {"do": "run", "argv": ["systemctl", "enable", "--quiet", UNIT]}

#: Part of the release of every kernel that this project builds.
OURS = "-mshare"


def dropin_text(cmdline):
    """The bootloader drop-in: boot the saved entry, show a flat menu, add these words to the command line."""
    return (
        "# Managed by the role mshare.fleet.mshare_kernel: the saved entry says which kernel starts.\n"
        "GRUB_DEFAULT=saved\n"
        "GRUB_SAVEDEFAULT=false\n"
        "GRUB_DISABLE_SUBMENU=y\n"
        'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT %s"\n' % cmdline
    )


def _json(value):
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _result(refusals, actions, why):
    if refusals:
        return {"refusals": refusals, "actions": [], "why": ""}
    return {"refusals": [], "actions": actions, "why": "" if actions else why}


def _env(facts):
    return facts["grub"]["env"] or {}


def _trial_runs(facts):
    trial = facts["trial"]
    return bool(trial) and trial["release"] == facts["release"] and trial["armed_boot_id"] != facts["boot_id"]


def phase(facts, release, build_id):
    """Where a host stands on its way to a release.

    Returns:
        `committed` (it runs it, by default), `trial` (it runs it, not committed yet), `running` (it runs it,
        without a trial, and it is not the default), `armed` (its next boot is the trial), `fallen_back` (the
        trial is over and another kernel runs), `unexpected` (the release with another build id), `other`.
    """
    trial = facts["trial"]
    if facts["release"] == release and build_id and facts["build_id"] != build_id:
        return "unexpected"
    if trial and trial["release"] == release:
        if trial["armed_boot_id"] == facts["boot_id"]:
            return "armed"
        return "trial" if facts["release"] == release else "fallen_back"
    if facts["release"] != release:
        return "other"
    default = find(facts["grub"]["entries"], _env(facts).get("saved_entry", ""))
    saved = facts["grub"]["saved_default"] and default is not None and default["release"] == release
    return "committed" if saved else "running"


def stock_release(facts):
    """The kernel to return to: the one that ran before the first rollout, else the newest of others."""
    before = facts["before"] or {}
    if before.get("release") in facts["kernels"]:
        return before["release"]
    for entry in facts["grub"]["entries"]:  # the menu lists the newest first
        if entry["release"] and OURS not in entry["release"] and entry["release"] in facts["kernels"]:
            return entry["release"]
    return ""


def _menu_problems(facts, release, cmdline):
    grub = facts["grub"]
    entry = entry_for(grub["entries"], release)
    problems = []
    if not (grub["saved_default"] and grub["one_shot"]):
        problems.append("it does not boot the saved entry, with a one-shot entry before it")
    if entry is None:
        problems.append("it has no top-level entry for %s" % release)
    elif not set(cmdline.split()) <= set(entry["args"]):
        problems.append("the entry for %s lacks '%s' on its command line" % (release, cmdline))
    return problems


def plan_hold(facts, release, cmdline):
    """Make one kernel the saved default, with no trial pending; before packages are installed, the running
    one.

    A trial that runs and is not committed keeps its saved default (the last good kernel) and its trial file.

    Args:
        facts: of the host.
        release: kernel to hold.
        cmdline: words for the kernel's command line.
    """
    actions = []
    grub, env = facts["grub"], _env(facts)
    entry_id = flat_id(grub["entries"], release)
    refusals = []
    if not entry_id:
        refusals.append(_no_entry("the boot menu has no entry for the kernel %s" % release))
    if release != facts["release"]:  # the running one is judged by the preflight
        refusals += _file_refusals(facts, release)
    if refusals:
        return _result(refusals, [], "")
    if facts["before"] is None:
        before = {
            "schema": 1,
            "release": facts["release"],
            "package": facts["kernel_package"],
            "package_auto": facts["kernel_package"] in facts["auto"],
            "dropin": grub["dropin"],
            "dropin_directory": grub["dropin_directory"],
            "env": grub["env"],
        }
        actions.append({"do": "write", "path": BEFORE, "content": _json(before)})
    if facts["kernel_package"] in facts["auto"]:
        actions.append({"do": "run", "argv": ["apt-mark", "manual", facts["kernel_package"]]})
    keep_trial = _trial_runs(facts) and release == facts["release"]
    if not keep_trial:
        actions += _hold_env(env, grub["env"] is None, entry_id)
        actions += _end_trial(facts)
    text = dropin_text(cmdline)
    if grub["dropin"] != text:
        actions.append({"do": "write", "path": DROPIN, "content": text})
    if grub["dropin"] != text or _menu_problems(facts, release, cmdline):
        actions.append(UPDATE_GRUB)
    why = (
        "%s is on trial: the default stays with the last good kernel" if keep_trial else "%s is held already"
    )
    return _result([], actions, why % release)


def _hold_env(env, missing, entry_id):
    actions = []
    if missing:
        actions.append({"do": "run", "argv": ["/usr/bin/grub-editenv", GRUBENV, "create"]})
    change = {"do": "env", "set": {}, "unset": []}
    if env.get("saved_entry") != entry_id:
        change["set"] = {"saved_entry": entry_id}
    if env.get("next_entry"):
        change["unset"] = ["next_entry"]
    return actions + ([change] if change["set"] or change["unset"] else [])


def _end_trial(facts):
    actions = [DISABLE_GUARD] if facts["guard_enabled"] else []
    return actions + ([{"do": "remove", "path": TRIAL}] if facts["trial"] else [])


def held_problems(facts, release, cmdline):
    """What is still wrong after `plan_hold` was carried out, as the generated files tell."""
    problems = ["/boot/grub/grub.cfg: " + problem for problem in _menu_problems(facts, release, cmdline)]
    if not _trial_runs(facts):
        default = find(facts["grub"]["entries"], _env(facts).get("saved_entry", ""))
        if default is None or default["release"] != release:
            problems.append("%s: the saved entry does not start %s" % (GRUBENV, release))
    return problems


def plan_arm(facts, release, build_id, deadline_s):
    """Make the next boot, and only that, a trial of a release. Its files and the way back are checked first.

    The way back is the saved default. Where that is the release itself (a rollback that waited for consent),
    the running kernel becomes the default again first. Nothing is armed where the running kernel is itself on
    trial, from the release: the next boot ends that.

    Args:
        facts: of the host.
        release, build_id: the kernel on trial; the build id may be empty when it is not known.
        deadline_s: seconds from the start of the trial boot until the guard ends it.
    """
    grub, env = facts["grub"], _env(facts)
    entry = entry_for(grub["entries"], release)
    saved = find(grub["entries"], env.get("saved_entry", ""))
    is_saved = saved is not None and saved["release"] == release
    if is_saved and _trial_runs(facts) and facts["release"] != release:
        return _result([], [], "%s is the default, from which %s is on trial" % (release, facts["release"]))
    back = entry_for(grub["entries"], facts["release"]) if is_saved else saved
    refusals = _arm_refusals(facts, release, entry, back)
    if refusals:
        return _result(refusals, [], "")
    trial = {
        "schema": 1,
        "release": release,
        "build_id": build_id,
        "armed_boot_id": facts["boot_id"],
        "entry": entry["id"],
        "previous_entry": back["id"],
        "previous_release": back["release"],
        "deadline_s": deadline_s,
    }
    actions = []
    if facts["trial"] != trial:
        actions.append({"do": "write", "path": TRIAL, "content": _json(trial)})
    if not facts["guard_enabled"]:
        actions.append(ENABLE_GUARD)
    wanted = {"saved_entry": back["id"], "next_entry": entry["id"]}
    change = {name: value for name, value in wanted.items() if env.get(name) != value}
    if change:
        actions.append({"do": "env", "set": change, "unset": []})
    return _result([], actions, "the trial of %s is armed already" % release)


def _no_entry(reason):
    return refusal("menu entry", reason, "run update-grub and look at /boot/grub/grub.cfg")


def _file_refusals(facts, release):
    """Why a kernel that does not run must not be started: its files in /boot."""
    kernel = facts["kernels"].get(release)
    refusals = []
    if kernel is None or kernel["vmlinuz_bytes"] == 0:
        reason = "/boot/vmlinuz-%s is missing or empty" % release
        refusals.append(refusal("kernel file", reason, "install its package"))
    named = any(one["initrd"] for one in facts["grub"]["entries"] if one["release"] == release)
    if named and (kernel is None or kernel["initrd_bytes"] == 0):
        reason = "the entry for %s names an initramfs that is missing or empty" % release
        refusals.append(refusal("initramfs", reason, "run update-initramfs -c -k %s" % release))
    return refusals


def _reboots_after_panic(args):
    seconds = [word.partition("=")[2] for word in args if word.startswith("panic=")]
    return bool(seconds) and seconds[-1].isdigit() and int(seconds[-1]) > 0


def _arm_refusals(facts, release, entry, back):
    refusals = []
    if entry is None:
        refusals.append(_no_entry("the boot menu has no top-level entry for %s" % release))
    elif not _reboots_after_panic(entry["args"]):
        reason = "the entry for %s has no panic=SECONDS: a failed trial would wait for ever" % release
        refusals.append(refusal("panic", reason, "put panic=10 into the words for the kernel's command line"))
    refusals += _file_refusals(facts, release)
    if not (facts["grub"]["saved_default"] and facts["grub"]["one_shot"]):
        reason = "grub.cfg does not boot one-shot and saved entries"
        refusals.append(refusal("saved default", reason, "run the step that holds the default first"))
    if back is None or back["release"] not in facts["kernels"] or back["release"] == release:
        reason = "the saved default is not another installed kernel: there is no way back from a failed trial"
        refusals.append(refusal("way back", reason, "hold the running kernel as the saved default first"))
    if not facts["guard"]:
        reason = "the guard that ends a trial nobody commits is not installed"
        refusals.append(refusal("guard", reason, "install the package mshare-tools from the same build"))
    return refusals


def plan_commit(facts, release, build_id, need_mshare):
    """Make the kernel that runs, once it is shown to be the expected one, the saved default; end the trial.

    Args:
        facts: of the host.
        release, build_id: what must be running; an empty build id is not compared.
        need_mshare: whether the kernel must know msharefs and have been configured with it.
    """
    refusals = []
    if facts["release"] != release:
        refusals.append(
            refusal("release", "%s runs, not %s" % (facts["release"], release), "see the console")
        )
    if build_id and facts["build_id"] != build_id:
        reason = "the running kernel's build id is %s, not %s" % (facts["build_id"] or "unknown", build_id)
        refusals.append(refusal("build id", reason, "see which package owns /boot/vmlinuz-%s" % release))
    if need_mshare and not facts["filesystem_known"]:
        reason = "msharefs is not in /proc/filesystems"
        refusals.append(refusal("filesystem", reason, "deploy a kernel that was built with CONFIG_MSHARE=y"))
    if need_mshare and not facts["kernels"].get(release, {}).get("mshare"):
        reason = "/boot/config-%s has no CONFIG_MSHARE=y" % release
        refusals.append(
            refusal("configuration", reason, "deploy a kernel that was built with CONFIG_MSHARE=y")
        )
    entry = entry_for(facts["grub"]["entries"], release)
    if entry is None:
        refusals.append(_no_entry("the boot menu has no top-level entry for %s" % release))
    if refusals:
        return _result(refusals, [], "")
    actions = []
    if _env(facts).get("saved_entry") != entry["id"]:
        actions.append({"do": "env", "set": {"saved_entry": entry["id"]}, "unset": []})
    # The default first: a loss of power here leaves a trial file whose entry is the default, which the guard
    # accepts.
    return _result([], actions + _end_trial(facts), "%s is the default already" % release)


def plan_restore(facts):
    """Give back the bootloader as it was before the first rollout. Our kernels must be gone."""
    grub, env, before = facts["grub"], _env(facts), facts["before"]
    ours = sorted(release for release in facts["kernels"] if OURS in release)
    if ours or OURS in facts["release"]:
        reason = "kernels of this project are installed or running: %s" % ", ".join(
            ours or [facts["release"]]
        )
        remedy = "boot the stock kernel and remove their packages first"
        return _result([refusal("kernels", reason, remedy)], [], "")
    actions = _end_trial(facts)
    if before is None:
        return _result([], actions, "no rollout has changed this host")
    actions += _restore_dropin(grub, before)
    if before["env"] is None:
        actions += [{"do": "remove", "path": GRUBENV}] if grub["env"] is not None else []
    else:
        names = ("saved_entry", "next_entry")
        change = {
            "do": "env",
            "set": {
                n: before["env"][n] for n in names if n in before["env"] and env.get(n) != before["env"][n]
            },
            "unset": [name for name in names if name in env and name not in before["env"]],
        }
        actions += [change] if change["set"] or change["unset"] else []
    if (
        before["package_auto"]
        and before["package"] in facts["packages"]
        and before["package"] not in facts["auto"]
    ):
        actions.append({"do": "run", "argv": ["apt-mark", "auto", before["package"]]})
    actions += [UPDATE_GRUB, {"do": "remove", "path": BEFORE}, {"do": "remove", "path": STATE_DIR}]
    return _result([], actions, "")


def _restore_dropin(grub, before):
    if grub["dropin"] == before["dropin"]:
        return []
    if before["dropin"] is not None:
        return [{"do": "write", "path": DROPIN, "content": before["dropin"]}]
    actions = [{"do": "remove", "path": DROPIN}]
    if not before["dropin_directory"]:
        actions.append({"do": "remove", "path": DROPIN.rsplit("/", 1)[0]})
    return actions
