"""Free TCP ports of 127.0.0.1 for machines."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

from ..errors import InfraError

#: Below the range from which Linux takes ports for outgoing connections (32768 and up), so that a machine
#: that is down for a moment does not lose its port to a client.
_FIRST, _LAST = 20000, 32767


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free(taken: Collection[int] = ()) -> int:
    """A port that nobody listens on and that is not among `taken`; random, so that labs rarely collide.

    Raises:
        InfraError: none was found.
    """
    for port in random.sample(range(_FIRST, _LAST + 1), 200):
        if port not in taken and is_free(port):
            return port
    raise InfraError(f"no free TCP port between {_FIRST} and {_LAST} on 127.0.0.1", "end what listens there")
