"""The inside of a Python cell: runs in the confined interpreter, imports the standard library alone.

zygote ──fork──> cell: lock, rehearse, ready ──job──> harness ──answer──> exit
"""
