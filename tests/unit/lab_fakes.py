"""A lab without machines: a stand-in for QEMU, and an empty image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Does with its arguments what QEMU does with -daemonize, but for the machine. LAB_FAKE says how it behaves:
#: `hang` (runs, and nobody answers) or `die` (ends after writing to the console).
_QEMU = f"""#!{sys.executable} -I
import os, sys, time
words = sys.argv[1:]
if words == ["--version"]:
    print("QEMU emulator version 0 (fake)")
    sys.exit()
pid_file = words[words.index("-pidfile") + 1]
(console,) = [word for word in words if word.startswith("file,id=console")]
path = console.split("path=")[1].split(",")[0]
with open(path, "a") as log:
    log.write("Booting the fake kernel\\nKernel panic - not syncing: no such root\\n")
child = os.fork()
if child:
    with open(pid_file, "w") as file:
        file.write(f"{{child}}\\n")
    os._exit(0)
os.setsid()
for number in range(3):
    os.close(number)
if os.environ.get("LAB_FAKE") == "die":
    os._exit(0)
time.sleep(120)
"""


def fake_lab(place: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> Path:
    """Have labs use the stand-in and an empty image in `place`; returns the cache's directory."""
    tools = place / "tools"
    tools.mkdir()
    fake = tools / "qemu-system-x86_64"
    fake.write_text(_QEMU)
    fake.chmod(0o755)
    cache = place / "cache"
    base = cache / "lab/images/base"
    base.mkdir(parents=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base / "base.qcow2", "1M"], check=True)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("MSHARE_CACHE", str(cache))
    monkeypatch.setenv("LAB_FAKE", behaviour)
    monkeypatch.setattr("mshare_pkg.lab.image.obtain", lambda: base)
    return cache


def processes_of(directory: Path) -> list[int]:
    """Processes that have a path below a directory among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(directory) in line and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found
