"""Flower's settings in its image. FLOWER_BASIC_AUTH=user:password says who may look; it has no default.

Elsewhere, options of the command go before what is here: --address, --port (5555), --db.
"""

import os

user, _, password = os.environ.get("FLOWER_BASIC_AUTH", "").partition(":")
if not user or not password:
    raise SystemExit("Flower shows and cancels jobs: set FLOWER_BASIC_AUTH=user:password")

address = "0.0.0.0"  # noqa: S104 - of its container; who reaches it, compose says
persistent = True
db = "/data/flower.db"
state_save_interval = 10_000
max_tasks = 10_000
tasks_columns = "name,state,args,result,received,runtime,worker,uuid"
