#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_boot_info
short_description: Tell where a host stands on its way to a kernel release
version_added: 0.1.0
description:
  - Reads the running kernel, GRUB's saved and one-shot entries, the files in C(/boot), memory settings and a
    pending trial boot, in one round trip.
  - Judges whether the host is fit for a rollout, with a reason for each refusal.
options:
  release:
    description: The kernel release that is wanted, as C(uname -r) prints it.
    type: str
    default: ''
  build_id:
    description: Its GNU build id in hex. When empty, it is not compared.
    type: str
    default: ''
  min_boot_mib:
    description: MiB that must be free in C(/boot) while the release is not installed.
    type: int
    default: 0
  regions_mib:
    description:
      - MiB of objects that regions on this host will hold. When 0, memory settings are not judged.
      - When left out, what the objects of I(regions) add up to.
    type: int
  regions:
    description: Regions that will be declared, as the role P(mshare.fleet.mshare_regions#role) takes them.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed when in diff mode.
    support: none
author:
  - The msharefs fleet developers (@mshare)
"""

EXAMPLES = r"""
- name: Ask whether the host runs the release
  mshare.fleet.mshare_boot_info:
    release: 6.12.117-mshare1-vm
  register: boot
"""

RETURN = r"""
phase:
  description:
    - C(committed), the release runs and is the default; C(trial), it runs and is not committed; C(running),
      it runs without a trial and is not the default; C(armed), the next boot is its trial; C(fallen_back),
      its trial is over and another kernel runs; C(unexpected), it runs with another build id; C(other)
      otherwise.
  returned: always
  type: str
refusals:
  description: Reasons not to roll the release out, each with C(check), C(reason) and C(remedy).
  returned: always
  type: list
  elements: dict
stock_release:
  description: The kernel that a rollback returns to, or an empty string.
  returned: always
  type: str
region_users:
  description: Programs that have a region open or mapped, each with C(pid), C(command) and C(region).
  returned: always
  type: list
  elements: dict
fallback:
  description: C(reason), C(lines) and C(journal_boots) of a trial that the host has fallen back from, else
    null.
  returned: always
  type: dict
facts:
  description: What was read, as the planners of the collection take it.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_boot import phase, stock_release
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_boot_checks import declared_mib, preflight
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_evidence import collect
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_host import read_host, region_users
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_errors import BadInput
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_trial import TRIAL


def main():
    """Read the host and print what it is."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "default": ""},
            "build_id": {"type": "str", "default": ""},
            "min_boot_mib": {"type": "int", "default": 0},
            "regions_mib": {"type": "int"},
            "regions": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    want = module.params
    needed = want["regions_mib"]
    try:
        needed = declared_mib(want["regions"]) if needed is None else needed
    except BadInput as error:
        module.fail_json(msg=str(error))
    facts = read_host()
    trial = facts["trial"]
    over = trial and trial["armed_boot_id"] != facts["boot_id"] and trial["release"] != facts["release"]
    module.exit_json(
        changed=False,
        phase=phase(facts, want["release"], want["build_id"]),
        refusals=preflight(facts, want["release"], want["min_boot_mib"], needed),
        stock_release=stock_release(facts),
        region_users=region_users(facts["mounts"]),
        fallback=collect(facts, lambda argv: module.run_command(argv)[1], TRIAL) if over else None,
        facts=facts,
    )


if __name__ == "__main__":
    main()
