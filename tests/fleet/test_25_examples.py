"""The C programs of mshare-dev, compiled against its header, on a host: one creates, one attaches."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from machines import Fleet, Machine

from mshare_pkg.run import run

REGION, TEXT = "/sys/fs/mshare/example", "hello from another process"


@pytest.fixture
def examples(build: dict[str, Any], good: Path, tmp_path: Path) -> dict[str, Path]:
    """The programs, linked for any machine, by their names."""
    (dev,) = [one for one in build["packages"] if one["kind"] == "dev"]
    run(["dpkg-deb", "-x", good / dev["path"], tmp_path], doing="unpacking mshare-dev")
    made = {}
    for source in (tmp_path / "usr/share/doc/mshare-dev/examples").glob("*.c"):
        made[source.stem] = tmp_path / source.stem
        words = ["gcc", "-static", "-Werror", "-isystem", tmp_path / "usr/include", "-o", made[source.stem]]
        run([*words, source], doing=f"compiling {source.name}")
    return made


def test_one_creates_and_the_other_attaches(
    deployed: Fleet, second: Machine, examples: dict[str, Path]
) -> None:
    assert deployed
    assert sorted(examples) == ["mshare_attach", "mshare_create"]
    for name, program in examples.items():
        text = base64.b64encode(program.read_bytes()).decode()
        second.host.run(f"base64 -d > /root/{name} && chmod 0755 /root/{name}", stdin=text)
    try:
        second.ssh("/root/mshare_create", REGION, TEXT)
        assert second.out("/root/mshare_attach", REGION) == TEXT
        assert second.out("mshare", "region", "list").splitlines()[1].split()[:3] == ["example", "1G", "16M"]
    finally:
        second.ssh("rm", "-f", REGION, *(f"/root/{name}" for name in examples))
