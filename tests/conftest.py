"""Which server the tests run against: `TEST_SERVER=/usr/bin/redis-server` names another one."""

from tests.support.program import use_server_program

use_server_program()
