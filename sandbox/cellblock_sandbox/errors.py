"""What the sandbox raises; how a piece of code ended is never an exception but an `Outcome`.

SandboxError
├── SandboxUnavailable   this host lacks a required layer, or the runtime cannot start
├── CellLost             the zygote or its cell vanished by no doing of the code
└── SandboxClosed        used after close(), or in another process than the one that opened it
"""

from __future__ import annotations


class SandboxError(Exception):
    """Base of everything that the sandbox raises."""


class SandboxUnavailable(SandboxError):
    """The sandbox refuses to run code here; the message names what is missing and how to get it."""


class CellLost(SandboxError):
    """The zygote or its cell was killed from outside; nothing is known of the code's own behaviour."""


class SandboxClosed(SandboxError):
    """The sandbox was closed, or is used in a process that did not open it."""
