"""A place in the network to listen at."""

from __future__ import annotations

import socket

from anomalygpt.errors import ConfigError

# Addresses that only this machine reaches.
OWN_HOSTS = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for visitors; port 0 takes any that is free.

    Raises:
        ConfigError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # who comes before the server has started waits
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port "
            "or --host"
        ) from error
    return listener


def shown_host(host: str) -> str:
    """What to type into a browser on this machine for an address that is listened at."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    # A zone such as fe80::1%eth0.
    return f"[{host.replace('%', '%25')}]" if ":" in host else host
