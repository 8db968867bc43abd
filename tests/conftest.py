"""Which server the tests run against: `TEST_SERVER=/usr/bin/redis-server` names another one."""

import os

if "TEST_SERVER" in os.environ:  # only then: tests of the sandbox run where the worker's packages do not load
    from tests.support.program import use_server_program

    use_server_program()
