"""The kernel's log after all that: this file comes last, and reads the log once more."""

from mshare_pkg.verify import judge
from mshare_pkg.verify.collect import hold
from mshare_pkg.verify.probe import ask


def test_log(host, expected):
    """the kernel's log tells of no fault, from boot to the end of these checks"""
    name = host.backend.get_hostname()
    hold(judge.log(ask(host, name, "facts"), expected))
