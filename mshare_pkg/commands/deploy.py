"""`mshare deploy`: bring a fleet to the kernel of a build."""

from __future__ import annotations

from ..fleet.options import command_of

command = command_of(
    "deploy",
    """Bring every host to the kernel of a build, in waves.

    The running kernel stays the default until a trial boot of the new one has succeeded. The same as
    ansible-playbook playbooks/deploy.yml, with an outcome for each host.
    """,
)
