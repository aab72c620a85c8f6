"""The Debian package mshare-tools: what runs on the hosts, with nothing but Python's standard library.

It carries `/usr/bin/mshare`, the systemd units and the files of `plugins/module_utils`, as the Python package
`mshare_tools`: the command and the Ansible modules are the same code.
"""

from .package import PACKAGE, build_deb

__all__ = ["PACKAGE", "build_deb"]
