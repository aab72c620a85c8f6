"""Regions are as declared."""

from mshare_pkg.verify import judge
from mshare_pkg.verify.collect import hold


def test_there(facts, expected):
    """every declared region is there"""
    hold(judge.regions_there(facts, expected))


def test_sizes(facts, expected):
    """regions have their sizes, rounded up to the granularity"""
    hold(judge.region_sizes(facts, expected))


def test_owners(facts, expected):
    """regions have their owners and groups"""
    hold(judge.region_owners(facts, expected))


def test_modes(facts, expected):
    """regions have their modes"""
    hold(judge.region_modes(facts, expected))


def test_objects(facts, expected):
    """regions hold the declared objects, as fdinfo tells"""
    hold(judge.region_objects(facts, expected))
