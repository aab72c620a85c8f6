#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_repo
short_description: Let a host install from the project's signed apt repository
version_added: 0.1.0
description:
  - Writes the repository's key, source and pin, and fetches its index when any of them has changed.
  - The host trusts the key for this repository alone, and takes nothing from it but packages with the
    project's names. An index that the key has not signed, or that was altered, is refused, and the files are
    given back as they were.
options:
  state:
    description: Whether the host may install from the repository.
    type: str
    choices: [present, absent]
    default: present
  url:
    description: Address of the directory with C(dists) and C(pool). Required for C(present).
    type: str
  key:
    description: The public key (binary) in base64. Required for C(present).
    type: str
  suite:
    description: Suite of the repository.
    type: str
    default: mshare
  components:
    description: Components of the suite.
    type: list
    elements: str
    default: [main]
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
- name: Let the host install from the repository
  mshare.fleet.mshare_repo:
    url: http://packages.example.org/mshare
    key: "{{ lookup('ansible.builtin.file', 'mshare.gpg.b64') }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode, in order.
  returned: always
  type: list
  elements: dict
"""

import base64
import binascii

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils import mshare_apt_source as source
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_boot_apply import write_file
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_host import Reader


def carry_out(module, actions, found):
    """Do the actions in order; when the index is refused, undo them and fail with what apt said."""
    for action in actions:
        if action["do"] == "write":
            write_file(action["path"], source.content_of(action))
        elif action["do"] == "remove":
            source.remove(action["path"])
        else:
            code, out, err = module.run_command(action["argv"], environ_update={"LC_ALL": "C.UTF-8"})
            if code != 0:
                carry_out(module, source.plan_undo(actions, found), found)
                said = (err.strip() or out.strip())[-2000:]
                module.fail_json(msg="the repository is refused: %s" % said, rc=code, actions=actions)


def main():
    """Read, plan, then act under one check-mode guard."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "url": {"type": "str"},
            "key": {"type": "str", "no_log": False},
            "suite": {"type": "str", "default": "mshare"},
            "components": {"type": "list", "elements": "str", "default": ["main"]},
        },
        required_if=[("state", "present", ["url", "key"])],
        supports_check_mode=True,
    )
    want = module.params
    found = source.read(Reader(), want["suite"])
    if want["state"] == "absent":
        actions = source.plan_absent(found)
    else:
        try:
            key = base64.b64decode(want["key"], validate=True)
        except binascii.Error as error:
            module.fail_json(msg="the key is not base64: %s" % error)
        actions = source.plan_present(found, want["url"], want["suite"], want["components"], key)
    result = {"changed": bool(actions), "diff": source.diff_of(actions, found), "actions": actions}
    if actions and not module.check_mode:
        carry_out(module, actions, found)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
