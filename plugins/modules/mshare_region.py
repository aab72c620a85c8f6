#!/usr/bin/python
# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mshare_region
short_description: Make, change and remove regions of msharefs
version_added: 0.1.0
description:
  - A region is a file in a mounted msharefs. Processes that map it share its memory and its page tables.
  - The module reads what is there from the file and from the kernel's fdinfo, plans, then acts. It keeps no
    state file.
  - Regions that it makes are charged to C(mshare-regions.slice), where systemd and cgroup v2 run.
options:
  name:
    description:
      - Name of the region, one path component of letters, digits, C(.), C(_) and C(-), not beginning
        with a dot.
    type: str
    required: true
  state:
    description:
      - V(present) makes the region when it is missing, and makes it as the other options say.
      - V(absent) removes it. Processes that have it keep it until they end.
    type: str
    choices: [present, absent]
    default: present
  size:
    description:
      - Size of the region, in bytes or with a binary unit such as V(512M) or V(1GiB). Rounded up to a
        multiple of the granularity of the host, see RV(region.rounded).
      - Needed when the region has to be made. Left out, the size is left alone.
      - A region gets its size once. Another size removes the region and makes a new one, without its content.
    type: str
  owner:
    description:
      - User name or number. Left out, it is left alone; a new region belongs to root.
    type: str
  group:
    description:
      - Group name or number. Left out, it is left alone; a new region belongs to root.
    type: str
  mode:
    description:
      - Permission bits in octal, as text. Left out, it is left alone; a new region has V('0600').
    type: raw
  objects:
    description:
      - What is in the region. Left out, it is left alone; an empty list takes everything out.
      - Compared as ranges of memory. To make an object larger adds memory behind it and keeps what is there;
        behind a file's it is the rest of the file.
      - What the kernel tells of a file is its path. A file that was removed, or replaced under its name, is
        not the one that is declared, and its object is replaced, which is to take an object out.
    type: list
    elements: dict
    suboptions:
      offset:
        description:
          - Where in the region, in bytes or with a unit; a multiple of the page size, or for V(hugetlb) of
            the huge page size.
        type: str
        default: '0'
      size:
        description:
          - Length, in bytes or with a unit; a multiple of the page size, or for V(hugetlb) of the huge page
            size. It is never rounded.
          - That of a V(file) is at most the file's size, rounded up to a page.
        type: str
        required: true
      type:
        description:
          - V(anon) is memory that begins as zeros.
          - V(hugetlb) is the same of huge pages of the PMD size (2 MiB on x86-64). They are reserved in the
            host's pool (C(vm.nr_hugepages)), which this module does not change.
          - V(file) is a file, from its start on.
        type: str
        choices: [anon, hugetlb, file]
        default: anon
      access:
        description: What processes may do with it. A file is opened for that by this module, not by them.
        type: str
        choices: [rw, r]
        default: rw
      path:
        description:
          - The file that a V(file) is of, absolute and as the kernel shows it, without symbolic links. A
            regular file that is there already.
          - Needed for V(file), and refused for other types.
        type: str
  force:
    description:
      - Also do what takes memory from processes that have the region open or mapped, namely to remove the
        region, to change its size, to take objects out, and to take it from an owner other than root.
    type: bool
    default: false
  path:
    description: Where msharefs is mounted.
    type: path
    default: /sys/fs/mshare
attributes:
  check_mode:
    description: Can run in check_mode and return what it would change, also where no msharefs is mounted.
    support: full
  diff_mode:
    description: Returns what is there and what shall be there.
    support: full
author:
  - The msharefs fleet developers (@mshare)
"""

EXAMPLES = r"""
- name: A region of one granule with 256 MiB of memory for a database
  mshare.fleet.mshare_region:
    name: pgdata
    size: 1G
    owner: postgres
    group: postgres
    mode: '0660'
    objects:
      - offset: 0
        size: 256M

- name: A region with huge pages, and a file to read beside them
  mshare.fleet.mshare_region:
    name: index
    size: 1G
    objects:
      - offset: 0
        size: 64M
        type: hugetlb
      - offset: 512M
        size: 16M
        type: file
        path: /srv/index/table
        access: r

- name: No region of that name, whoever uses it
  mshare.fleet.mshare_region:
    name: scratch
    state: absent
    force: true
"""

RETURN = r"""
steps:
  description: The plan, in order. Empty when nothing had to be done.
  returned: always
  type: list
  elements: dict
  sample: [{do: create}, {do: size, size: 1073741824}]
region:
  description: The region as it is, or in check mode as it would be.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    path:
      description: Its path.
      type: str
    size:
      description: Its size in bytes.
      type: int
    rounded:
      description: Whether the size that was asked for had to be rounded up.
      type: bool
    granularity:
      description: The host's granularity in bytes; null where no msharefs is mounted.
      type: int
    owner:
      description: Its owner, a number.
      type: int
    group:
      description: Its group, a number.
      type: int
    mode:
      description: Its mode, octal.
      type: str
    objects:
      description: What is in it, offsets and sizes in bytes; a C(path) where it is a file.
      type: list
      elements: dict
    state:
      description: V(present) or V(absent).
      type: str
users:
  description: The processes that have the region open or mapped.
  returned: when the change was refused because of them
  type: list
  elements: dict
  sample: [{pid: 812, command: postgres, open: true, mapped: true}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_ensure import ensure
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_errors import RegionError
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_spec import KEYS
from ansible_collections.mshare.fleet.plugins.module_utils.mshare_region_text import step_text


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "size": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
            "objects": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "offset": {"type": "str", "default": "0"},
                    "size": {"type": "str", "required": True},
                    "type": {"type": "str", "choices": ["anon", "hugetlb", "file"], "default": "anon"},
                    "access": {"type": "str", "choices": ["rw", "r"], "default": "rw"},
                    "path": {"type": "str"},
                },
            },
            "force": {"type": "bool", "default": False},
            "path": {"type": "path", "default": "/sys/fs/mshare"},
        },
        supports_check_mode=True,
    )
    arguments = {key: module.params[key] for key in KEYS}
    try:
        answer = ensure(arguments, module.params["path"], check=module.check_mode)
    except RegionError as error:
        module.fail_json(msg=str(error), users=getattr(error, "users", []))
    for warning in answer["warnings"]:
        module.warn(warning)
    region = {key: answer[key] for key in ("name", "path", "granularity", "rounded")}
    region.update(answer["after"] or {}, state="present" if answer["after"] else "absent")
    module.exit_json(
        changed=bool(answer["steps"]),
        msg=", ".join(step_text(step) for step in answer["steps"]) or "nothing to do",
        steps=answer["steps"],
        region=region,
        diff={"before": answer["before"] or {}, "after": answer["after"] or {}},
    )


if __name__ == "__main__":
    main()
