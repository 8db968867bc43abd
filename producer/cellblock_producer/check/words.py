"""What code tries that the sandbox refuses, in the words in which a Result says so, too."""

from typing import Final

CONNECT: Final = "opens a network connection"
LISTEN: Final = "listens on the network"
LOOK_UP: Final = "looks up a host on the network"
START: Final = "starts another process"
SIGNAL: Final = "signals another process"
READ: Final = "reads a file"
WRITE: Final = "writes a file"
CHANGE: Final = "changes files"
LIST: Final = "lists a folder"
ENTER: Final = "enters a folder"
TEMPORARY: Final = "makes a temporary file"
SHARE: Final = "shares memory"
RANK: Final = "changes its own identity, rank or session"
WATCH: Final = "watches files"
THREAD: Final = "starts a thread of its own interpreter"
INSPECT: Final = "opens the interpreter to a debugger"
BIND: Final = "reaches into the interpreter"
ASK: Final = "asks a person"
LOAD: Final = "loads a native library"

_OF_THE_RUNTIME: Final = {READ, LIST, LOAD}


def refused(does: str, what: str) -> str:
    """The message of a finding: `does` is one of the phrases above, `what` the name that does it."""
    may = "may do only with files of its runtime" if does in _OF_THE_RUNTIME else "may not do"
    return f"{does} ({what}), which a code node {may}"


def merely_imported(what: str, does: str) -> str:
    """The message about a module that is imported and not used."""
    return f"imports {what} and does not use it; what it is for is refused: it {does}"


def no_module(what: str, error: str) -> str:
    """The message about a module that the runtime does not have."""
    return f"{error}: the runtime has no module {what}"


ENDS: Final = "ends the node before it has answered"
TOO_DEEP: Final = "the code is nested too deep"
