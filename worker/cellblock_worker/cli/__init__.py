"""The `cellblock` command."""

from cellblock_worker.cli.main import main

__all__ = ["main"]
