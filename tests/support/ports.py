"""Ports for processes that a test starts and that cannot pick one themselves."""

import random
import socket

# Below those that the kernel gives to connections: one of these could take the port before the process does.
_FROM, _TO = 20_000, 32_000


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    while True:
        port = random.randrange(_FROM, _TO)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
