"""The lab: Debian machines under QEMU that boot from their own disks through GRUB, as the default fleet."""

from .fleet import Lab
from .host import Host

__all__ = ["Host", "Lab"]
