"""What an operator sees of a running worker: metrics and health, by HTTP.

pool process --count--> Meters ==files in memory==> main process: Collector, Health --server--> GET /metrics

Nothing of this is loaded where `CELLBLOCK_HTTP` is not set.
"""
