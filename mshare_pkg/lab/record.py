"""lab.json: what a lab is, so that later commands find its machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import UserError
from ..kernel.files import write_json

_SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """A lab's properties.

    Attributes:
        image: the image's directory in the cache.
        snapshot: the saved state's directory in the cache; None where machines boot for real.
        accelerator: see `accel`.
        memory: MiB of each machine.
        repo: the repository directory whose `apt` is served.
        web_port: TCP port of the web server.
        control: directory of ssh's control sockets.
        hosts: machine's name -> TCP port of its ssh server.
    """

    image: Path
    snapshot: Path | None
    accelerator: str
    memory: int
    repo: Path
    web_port: int
    control: Path
    hosts: dict[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it to a file."""
        data = {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()
        }
        write_json(path, {"schema": _SCHEMA, **data})


def load(path: Path) -> Record:
    """Read what `Record.save` wrote.

    Raises:
        UserError: there is no lab there, or one of another version of this program.
    """
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"no lab is up in {path.parent}", "mshare lab up, or name its directory by --dir"
        ) from error
    if data.pop("schema") != _SCHEMA:
        raise UserError(f"{path} is of another version of mshare", "mshare lab down, then up again")
    for name in ("image", "snapshot", "repo", "control"):
        data[name] = Path(data[name]) if data[name] is not None else None
    return Record(**data)
