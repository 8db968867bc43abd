"""`python -m cellblock_worker` is the `cellblock` command."""

from cellblock_worker.cli import main

main()
