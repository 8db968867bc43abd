"""Sends Results to where a job's `reply` says: a process of its own beside the worker's main process.

    main process: Sending, a thread ──start_attached──> python -m cellblock_worker.sender
    sender: Outbox.claim ──> Celery queue: one script        ──> gone
                        `──> webhook: addresses ──> post     ──> forget | put off | give up

No cell descends from it, and it holds no job, only Results and where they go. So what answers a webhook meets
neither an owner of zygotes nor a process that those are forked from, and a slow receiver holds nothing up.
"""
