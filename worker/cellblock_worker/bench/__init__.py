"""What this host gives: latency and rate of cells and of the queue, always beside what it is compared with.

Ours and the other (a spawned interpreter, a no-op Celery task) take turns, so that a noisy machine hits both.
"""
