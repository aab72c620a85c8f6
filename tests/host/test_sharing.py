"""Processes on the host use regions."""

import pytest

from mshare_pkg.verify import judge, sharing
from mshare_pkg.verify.collect import hold


def test_touch(touch, expected):
    """what one process stores, an unrelated one reads; declared regions can be mapped"""
    if expected.mount.present:
        hold(judge.touched(touch) + judge.attached(touch, expected))


@pytest.mark.measure
def test_shared_tables(measured, expected):
    """all processes of a region share one copy of its page tables"""
    if expected.mount.present:
        hold(sharing.shared_tables(measured))


@pytest.mark.measure
def test_private_tables(measured):
    """private shared memory takes a copy for each process in the same run"""
    hold(sharing.private_tables(measured))


@pytest.mark.measure
def test_second_process(measured, expected):
    """the second process takes at most one fault for each GiB"""
    if expected.mount.present:
        hold(sharing.second_process(measured))
