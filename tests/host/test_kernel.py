"""The running kernel is ours."""

from mshare_pkg.verify import judge
from mshare_pkg.verify.collect import hold


def test_release(facts, expected):
    """runs the release that build.json names"""
    hold(judge.release(facts, expected))


def test_build_id(facts, expected):
    """runs the very build: the build id in the kernel's notes"""
    hold(judge.build_id(facts, expected))


def test_config(facts):
    """is configured with CONFIG_MSHARE=y"""
    hold(judge.config(facts))


def test_filesystem(facts):
    """knows the filesystem type msharefs"""
    hold(judge.filesystem(facts))
