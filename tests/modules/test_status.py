"""What `mshare status` tells of a host, from the facts of the hosts in boot/hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils import mshare_status

HOSTS = Path(__file__).parent / "boot" / "hosts"
OURS, STOCK = "6.12.117-mshare1-vm", "6.1.0-54-cloud-amd64"
KERNEL = {"vmlinuz_bytes": 1, "initrd_bytes": 1, "mshare": False}


def host(name: str, *kernels: str) -> dict[str, Any]:
    """A host's facts, with some more kernels installed."""
    facts: dict[str, Any] = json.loads((HOSTS / f"{name}.json").read_text())
    facts["kernels"].update(dict.fromkeys(kernels, KERNEL))
    return facts


@pytest.mark.parametrize(
    ("name", "release"), [("committed", OURS), ("held", STOCK), ("trial", STOCK), ("stock", "")]
)
def test_the_default_is_the_saved_entry_where_it_is_held(name: str, release: str) -> None:
    assert mshare_status.default_release(host(name)) == release


@pytest.mark.parametrize(
    ("name", "kernels", "hidden"),
    [
        pytest.param("committed", [], "", id="the stock kernel itself is not newer"),
        pytest.param("committed", ["6.1.0-9-cloud-amd64"], "", id="an older one"),
        pytest.param("committed", ["6.1.0-57-cloud-amd64"], "6.1.0-57-cloud-amd64", id="a security update"),
        pytest.param(
            "committed", ["6.1.0-57-cloud-amd64", "6.1.0-100-cloud-amd64"], "6.1.0-100-cloud-amd64", id="two"
        ),
        pytest.param("committed", ["6.12.118-mshare1-vm"], "", id="ours are not Debian's"),
        pytest.param("held", ["6.1.0-57-cloud-amd64"], "6.1.0-57-cloud-amd64", id="the stock kernel is held"),
        pytest.param("stock", ["6.1.0-57-cloud-amd64"], "", id="nothing is held"),
    ],
)
def test_a_newer_kernel_of_debian_is_told(name: str, kernels: list[str], hidden: str) -> None:
    assert mshare_status.hidden_kernel(host(name, *kernels)) == hidden


@pytest.mark.parametrize(
    ("name", "state"), [("armed", "armed"), ("trial", "running"), ("fallen", "failed"), ("committed", None)]
)
def test_a_pending_trial_is_told(name: str, state: str | None) -> None:
    trial = mshare_status.trial_state(host(name))
    assert (trial and (trial["release"], trial["state"])) == (state and (OURS, state))
