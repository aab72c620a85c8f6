#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_boot
short_description: Hold, try, commit and give back the kernel that GRUB starts
version_added: 0.1.0
description:
  - Keeps GRUB's saved default on a kernel that is known to work while another is installed and tried by one
    boot.
  - Every step checks the files that it relies on first, and the generated configuration afterwards.
options:
  state:
    description:
      - C(held) makes one kernel the saved default by a drop-in in C(/etc/default/grub.d), and ends a trial
        that is not running. The default of a host that runs a trial stays as it is.
      - C(armed) makes the next boot, and only that, a trial of I(release).
      - C(committed) makes the running kernel the saved default, once it is shown to be the expected one.
      - C(restored) gives back the bootloader as it was before the first C(held).
    type: str
    choices: [held, armed, committed, restored]
    required: true
  release:
    description: The kernel release. Required for C(armed) and C(committed); for C(held), the running one by
      default.
    type: str
    default: ''
  build_id:
    description: GNU build id of the release in hex. When empty, it is not compared.
    type: str
    default: ''
  deadline:
    description: Seconds from the start of a trial boot until the host reboots by itself unless it was
      committed.
    type: int
    default: 1200
  cmdline:
    description: Words that C(held) adds to the kernel's command line.
    type: str
    default: panic=10
  need_mshare:
    description: Whether C(committed) refuses a kernel without msharefs.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed when in diff mode.
    support: full
author:
  - The msharefs fleet developers (@mshare)
"""

EXAMPLES = r"""
- name: Keep the running kernel as the default while packages are installed
  mshare.fleet.mshare_boot:
    state: held

- name: Try a kernel with the next boot
  mshare.fleet.mshare_boot:
    state: armed
    release: 6.12.117-mshare1-vm
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode, in order.
  returned: always
  type: list
  elements: dict
why:
  description: Why nothing was to be done, when nothing was.
  returned: always
  type: str
refusals:
  description: Reasons why the state was refused, each with C(check), C(reason) and C(remedy).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils import mshare_boot as boot
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_boot_apply import carry_out, diff_of
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_host import read_host


def make_plan(want, facts):
    """The plan of a state; a pure function of the parameters and the facts."""
    if want["state"] == "held":
        return boot.plan_hold(facts, want["release"] or facts["release"], want["cmdline"])
    if want["state"] == "armed":
        return boot.plan_arm(facts, want["release"], want["build_id"], want["deadline"])
    if want["state"] == "committed":
        return boot.plan_commit(facts, want["release"], want["build_id"], want["need_mshare"])
    return boot.plan_restore(facts)


def problems_after(want, facts):
    """What is still wrong once the plan was carried out: the state must be what a new plan leaves alone."""
    if want["state"] == "held":
        return boot.held_problems(facts, want["release"] or facts["release"], want["cmdline"])
    left = make_plan(want, facts)
    return [item["reason"] for item in left["refusals"]] + [
        "not done: %s" % action for action in left["actions"]
    ]


def main():
    """Read, plan, then act under one check-mode guard."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["held", "armed", "committed", "restored"], "required": True},
            "release": {"type": "str", "default": ""},
            "build_id": {"type": "str", "default": ""},
            "deadline": {"type": "int", "default": 1200},
            "cmdline": {"type": "str", "default": "panic=10"},
            "need_mshare": {"type": "bool", "default": True},
        },
        required_if=[("state", "armed", ["release"]), ("state", "committed", ["release"])],
        supports_check_mode=True,
    )
    want = module.params
    facts = read_host()
    plan = make_plan(want, facts)
    if plan["refusals"]:
        text = "; ".join("%(check)s: %(reason)s (%(remedy)s)" % item for item in plan["refusals"])
        module.fail_json(msg="state %s is refused: %s" % (want["state"], text), **plan)
    result = {"changed": bool(plan["actions"]), "diff": diff_of(plan["actions"], facts), **plan}
    if plan["actions"] and not module.check_mode:
        carry_out(module, plan["actions"])
        problems = problems_after(want, read_host())
        if problems:
            module.fail_json(
                msg="state %s was not reached: %s" % (want["state"], "; ".join(problems)), **result
            )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
