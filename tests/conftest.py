"""Which server the tests run against: `TEST_SERVER=/usr/bin/redis-server` names another one; and Ctrl-C."""

import os
import signal

if "TEST_SERVER" in os.environ:  # only then: tests of the sandbox run where the worker's packages do not load
    from tests.support.program import use_server_program

    use_server_program()

# What a shell starts in the background ignores Ctrl-C, and so would the commands that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
