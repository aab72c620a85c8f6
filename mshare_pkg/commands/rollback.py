"""`mshare rollback`: bring a fleet back to its stock kernels."""

from __future__ import annotations

from ..fleet.options import command_of

command = command_of(
    "rollback",
    """Bring every host back to its stock kernel.

    Regions, mount and packages go, the bootloader is as it was. Refuses while programs use regions, and names
    them: stop them first. The same as ansible-playbook playbooks/rollback.yml.
    """,
)
