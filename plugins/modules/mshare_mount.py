#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_mount
short_description: Mount msharefs, change its options, unmount it
version_added: 0.1.0
description:
  - Mounts msharefs now. At boot a unit does it, see the role P(mshare.fleet.mshare_mount#role).
  - Other options are set by a remount. A mount that holds regions is never unmounted.
options:
  state:
    description:
      - V(mounted) mounts it, or remounts it where options differ.
      - V(unmounted) unmounts it, and is refused while there are regions.
    type: str
    choices: [mounted, unmounted]
    default: mounted
  path:
    description: The mount point.
    type: path
    default: /sys/fs/mshare
  mode:
    description: Permission bits of the root directory, octal, as text. Left out, they are left alone.
    type: raw
  uid:
    description: Owner of the root directory, a name or a number. Left out, it is left alone.
    type: str
  gid:
    description: Group of the root directory, a name or a number. Left out, it is left alone.
    type: str
  size:
    description:
      - Limit on the memory that regions may map, in bytes or with a unit such as V(16G). V(0) is no limit.
        Left out, it is left alone.
    type: str
  nr_regions:
    description: Limit on the number of regions and directories. V(0) is no limit. Left out, it is left alone.
    type: int
attributes:
  check_mode:
    description: Can run in check_mode and return what it would change, or why it would be refused.
    support: full
  diff_mode:
    description: Returns the options that are there and those that shall be there.
    support: full
author:
  - The msharefs fleet developers (@mshare)
"""

EXAMPLES = r"""
- name: Mount msharefs, at most 16 GiB of regions, for one group only
  mshare.fleet.mshare_mount:
    mode: '1770'
    gid: database
    size: 16G
"""

RETURN = r"""
steps:
  description: The plan. Empty when nothing had to be done.
  returned: always
  type: list
  elements: dict
  sample: [{do: remount, options: size=17179869184}]
options:
  description: The options that were asked for, as mount(8) takes them, with numbers for names and sizes.
  returned: always
  type: str
  sample: mode=1770,gid=112,size=17179869184
refused:
  description:
    - In check mode, why this would fail as things are, because the running kernel has no msharefs, or because
      regions would go. Earlier tasks, which check mode leaves out, may change that. Empty where it would not.
  returned: always
  type: str
regions:
  description: The regions in the mount.
  returned: always
  type: list
  elements: str
"""

import grp
import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils import mshare_mount_plan as planner
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_mount_facts import read_facts
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_errors import (
    NoMshare,
    Refused,
    RegionError,
)


def argv(step, path):
    """The program that carries out a step."""
    if step["do"] == "unmount":
        return ["umount", path]
    if step["do"] == "remount":
        return ["mount", "-o", "remount," + step["options"], path]
    options = ["-o", step["options"]] if step["options"] else []
    return ["mount", "-t", "msharefs", *options, "msharefs", path]


def diff(state, desired, facts):
    """What is mounted and what shall be, for diff mode."""
    before = planner.found_options(facts["mounts"][-1]["options"]) if facts["mounts"] else None
    after = {**(before or planner.DEFAULTS), **desired} if state == "mounted" else None
    text = [planner.option_text(one) + "\n" if one else "not mounted\n" for one in (before, after)]
    return {"before": text[0], "after": text[1]}


def run(module):
    """Read, plan and act; returns the result."""
    params = module.params
    given = {key: params[key] for key in planner.DEFAULTS}
    desired = planner.desired_options(
        given,
        user=lambda name: pwd.getpwnam(name).pw_uid,
        group=lambda name: grp.getgrnam(name).gr_gid,
        page=os.sysconf("SC_PAGE_SIZE"),
    )
    facts = read_facts(params["path"])
    steps, refused = [], ""
    try:
        steps = planner.plan(params["state"], desired, facts)
    except (NoMshare, Refused) as error:
        if not module.check_mode:
            raise
        refused = str(error)
    result = {
        "options": planner.option_text(desired),
        "refused": refused,
        "regions": facts["regions"],
        "steps": steps,
        "changed": bool(steps),
    }
    if steps:
        result["diff"] = diff(params["state"], desired, facts)
    if not module.check_mode:
        for step in steps:
            code, _out, err = module.run_command(argv(step, params["path"]))
            if code != 0:
                raise RegionError("%s of %s: %s" % (step["do"], params["path"], err.strip()))
    return result


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["mounted", "unmounted"], "default": "mounted"},
            "path": {"type": "path", "default": "/sys/fs/mshare"},
            "mode": {"type": "raw"},
            "uid": {"type": "str"},
            "gid": {"type": "str"},
            "size": {"type": "str"},
            "nr_regions": {"type": "int"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except RegionError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
