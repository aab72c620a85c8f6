"""Run the collection's own host code on a host that may have nothing of ours installed.

The modules travel as one shell word, compressed; nothing is written on the host.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

_IMPORT = re.compile(r"^from \.(\w+) import", re.MULTILINE)

#: Makes the sent sources importable as the package `mshare_tools`, then calls one function and prints its
#: result.
_LOADER = """
import importlib.util, json, sys, types
class Loader:
    def find_spec(self, name, path=None, target=None):
        known = name.startswith("mshare_tools.") and name.split(".")[1] in SOURCES
        return importlib.util.spec_from_loader(name, self) if known else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(SOURCES[module.__name__.split(".")[1]], module.__name__, "exec"), module.__dict__)
sys.modules["mshare_tools"] = types.ModuleType("mshare_tools")
sys.modules["mshare_tools"].__path__ = []
sys.meta_path.insert(0, Loader())
"""


def sources(directory: Path, module: str) -> dict[str, str]:
    """The source of a module in a directory, and of all those that it imports from there."""
    found: dict[str, str] = {}
    wanted = [module]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = (directory / f"{name}.py").read_text()
            wanted += _IMPORT.findall(found[name])
    return found


def command(directory: Path, module: str, function: str) -> str:
    """A shell command that calls a function without arguments on a host, and prints its result as JSON.

    Args:
        directory: plugins/module_utils of a checkout.
        module, function: what to call; standard library only.
    """
    program = f"SOURCES = {json.dumps(sources(directory, module))}\n{_LOADER}"
    program += f"from mshare_tools.{module} import {function}\nprint(json.dumps({function}()))\n"
    packed = base64.b64encode(zlib.compress(program.encode(), 9)).decode()
    return f"python3 -c 'import base64,zlib;exec(zlib.decompress(base64.b64decode(\"{packed}\")))'"
