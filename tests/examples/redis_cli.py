"""Stands in for redis-cli where none is installed: `SOCKET [-x] COMMAND ARGUMENT...`, as in a pipe."""

import sys
from typing import Any

from redis import Redis


def main(socket: str, *words: str) -> None:
    arguments: list[Any] = list(words)
    if arguments[0] == "-x":
        arguments = [*arguments[1:], sys.stdin.buffer.read()]
    with Redis(unix_socket_path=socket, socket_timeout=None) as redis:
        redis.response_callbacks.clear()
        show(redis.execute_command(*arguments))


def show(answer: Any) -> None:
    for each in answer if isinstance(answer, list) else [answer]:
        text = b"" if each is None else each if isinstance(each, bytes) else str(each).encode()
        sys.stdout.buffer.write(text + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
