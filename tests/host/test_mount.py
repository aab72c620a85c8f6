"""msharefs is mounted as declared."""

from mshare_pkg.verify import judge
from mshare_pkg.verify.collect import hold


def test_mounted(facts, expected):
    """msharefs is mounted on /sys/fs/mshare"""
    hold(judge.mounted(facts, expected))


def test_options(facts, expected):
    """mount options are as declared"""
    if expected.mount.present:
        hold(judge.mount_options(facts, expected.mount))


def test_granularity(facts, expected):
    """mshare_info tells a granularity"""
    if expected.mount.present:
        hold(judge.granularity(facts))
