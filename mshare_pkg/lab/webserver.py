"""The web server that machines fetch packages from: a directory's files on 127.0.0.1.

Machines reach it at 10.0.2.2. Files that are published later are served too. It runs by itself, `python -m
mshare_pkg.lab.webserver`, until its lab is taken down.
"""

from __future__ import annotations

import functools
import os
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from ..run import run
from . import process


class _Handler(SimpleHTTPRequestHandler):
    """Files of a directory over kept-alive connections, each request a line in the log."""

    protocol_version = "HTTP/1.1"
    timeout = 60


class WebServer:
    """The server of one lab, found again by its pid file.

    Args:
        directory: absolute path; holds its pid and its log.
        root: the directory it serves; need not exist yet.
        port: TCP port of 127.0.0.1.
    """

    def __init__(self, directory: Path, root: Path, port: int) -> None:
        self.directory = directory
        self.root = root
        self.port = port

    @property
    def pid_file(self) -> Path:
        """Where its process id is."""
        return self.directory / "pid"

    @property
    def url(self) -> str:
        """Its address as machines see it."""
        return f"http://10.0.2.2:{self.port}"

    def start(self) -> None:
        """Start it. Returns once it accepts connections.

        Raises:
            InfraError: the port is taken, or Python did not start.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            sys.executable,
            "-m",
            __name__,
            "--port",
            str(self.port),
            "--pid-file",
            self.pid_file,
        ]
        log = self.directory / "access.log"
        run([*command, "--log", log, self.root], doing="starting the lab's web server", timeout=60)

    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        return process.find(self.pid_file)

    def stop(self) -> None:
        """End it. Nothing happens when it does not run."""
        process.kill(self.pid_file)


@click.command
@click.option("--port", type=int, required=True)
@click.option("--pid-file", type=click.Path(path_type=Path), required=True)
@click.option("--log", type=click.Path(path_type=Path), required=True)
@click.argument("root", type=click.Path(path_type=Path))
def main(port: int, pid_file: Path, log: Path, root: Path) -> None:
    """Serve ROOT on 127.0.0.1 in the background."""
    handler = functools.partial(_Handler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        pid = os.fork()
        if pid:
            pid_file.write_text(f"{pid}\n")
            os._exit(0)
        os.setsid()
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        empty = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((empty, 0), (sink, 1), (sink, 2)):
            os.dup2(source, target)
        server.serve_forever()


if __name__ == "__main__":
    main()
