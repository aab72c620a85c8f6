#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_packages
short_description: Install exact versions of packages of the project's repository, or remove them
version_added: 0.1.0
description:
  - Installs packages in the very versions that a build recorded, with apt. The index of the project's
    repository is fetched again only when apt does not know a version; a signature or checksum that does not
    match is an error.
  - Unlike M(ansible.builtin.apt) it needs no Python binding of apt, and in check mode it can plan packages
    of a repository that the host does not have yet.
options:
  state:
    description: C(present) installs I(versions); C(absent) purges what matches I(patterns).
    type: str
    choices: [present, absent]
    default: present
  versions:
    description:
      - Package names, each with its exact version. Older versions replace newer ones.
      - An empty version is satisfied by any that is installed, else by the newest one that apt knows.
    type: dict
    default: {}
  patterns:
    description: Shell patterns of names of packages to purge.
    type: list
    elements: str
    default: []
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
- name: Install one build of the kernel
  mshare.fleet.mshare_packages:
    versions:
      linux-image-6.12.117-mshare1-vm: 6.12.117-1~deb12u1+mshare1

- name: Have the tools, in whichever version
  mshare.fleet.mshare_packages:
    versions:
      mshare-tools: ''
"""

RETURN = r"""
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils import mshare_packages as packages
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_host import packages_of

STATUS = "/var/lib/dpkg/status"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def read_installed():
    """Installed packages, name to version."""
    with open(STATUS, encoding="utf-8", errors="replace") as stream:
        return packages_of(stream.read())


def make_plan(module, installed):
    """The commands to run, each an argv."""
    if module.params["state"] == "absent":
        return packages.plan_remove(installed, module.params["patterns"])
    wanted = packages.missing(installed, module.params["versions"])
    if not wanted:
        return []
    madison = module.run_command(["apt-cache", "madison", *wanted], environ_update=ENVIRONMENT)[1]
    return packages.plan_install(wanted, packages.known_versions(madison))


def lines_of(installed):
    """Installed packages of the project as text, for the diff."""
    return "".join("%s %s\n" % item for item in sorted(installed.items()) if "mshare" in item[0])


def predict(module, installed):
    """What will be installed once the plan is carried out."""
    if module.params["state"] == "present":
        wanted = packages.missing(installed, module.params["versions"])
        return {**installed, **{name: version or "(newest)" for name, version in wanted.items()}}
    gone = packages.plan_remove(installed, module.params["patterns"])
    return {name: version for name, version in installed.items() if not gone or name not in gone[0]}


def main():
    """Read, plan, then act under one check-mode guard."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "versions": {"type": "dict", "default": {}},
            "patterns": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    installed = read_installed()
    commands = make_plan(module, installed)
    diff = {"before": lines_of(installed), "after": lines_of(predict(module, installed))}
    result = {"changed": bool(commands), "commands": commands, "diff": diff}
    if commands and not module.check_mode:
        for argv in commands:
            code, out, err = module.run_command(argv, environ_update=ENVIRONMENT)
            if code != 0:
                said = (err.strip() or out.strip())[-2000:]
                module.fail_json(msg="%s: exit code %d: %s" % (" ".join(argv), code, said), rc=code, **result)
        # A loss of power from here on finds on the disk what apt, update-grub and the initramfs wrote.
        os.sync()
        after = read_installed()
        if module.params["state"] == "present":
            left = packages.missing(after, module.params["versions"])
        else:
            left = packages.plan_remove(after, module.params["patterns"])
        if left:
            module.fail_json(msg="apt reported success, but this is not done: %s" % left, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
