"""Which server the tests run against: `TEST_SERVER=/usr/bin/redis-server` names another one; and Ctrl-C."""

import os
import signal

if "TEST_SERVER" in os.environ:  # only then: tests of the sandbox run where the worker's packages do not load
    from tests.support.program import use_server_program

    use_server_program()

# A shell has what it starts in the background ignore Ctrl-C, and commands that a test starts would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
