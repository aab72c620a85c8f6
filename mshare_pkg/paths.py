"""Where things are kept: the checkout, the cache and the state."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import UserError


def project_root() -> Path:
    """The checkout that holds kernel/, roles/ and playbooks/.

    `MSHARE_ROOT` names it; else it is the nearest parent of the working directory or of this package
    that has `galaxy.yml` and `kernel/`.

    Raises:
        UserError: there is none.
    """
    named = os.environ.get("MSHARE_ROOT")
    starts = [Path(named)] if named else [Path.cwd(), Path(__file__).resolve().parent]
    for start in starts:
        for place in (start, *start.parents):
            if (place / "galaxy.yml").is_file() and (place / "kernel").is_dir():
                return place
    raise UserError(
        f"no msharefs checkout at or above {' or '.join(map(str, starts))}",
        "run the command inside a checkout, or set MSHARE_ROOT to one",
    )


def cache_dir(*parts: str) -> Path:
    """A directory in the cache, made when missing. What lies there may be deleted at any time.

    `MSHARE_CACHE` names the cache; else it is `$XDG_CACHE_HOME/mshare`, by default `~/.cache/mshare`.
    """
    named = os.environ.get("MSHARE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = (Path(named) if named else Path(xdg) / "mshare").joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def data_dir(*parts: str) -> Path:
    """A directory for what must be kept (signing keys, names of builds), made when missing, mode 0700.

    `MSHARE_DATA` names it; else it is `$XDG_DATA_HOME/mshare`, by default `~/.local/share/mshare`.
    """
    named = os.environ.get("MSHARE_DATA")
    xdg = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    path = (Path(named) if named else Path(xdg) / "mshare").joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
