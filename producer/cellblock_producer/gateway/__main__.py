"""`python -m cellblock_producer.gateway`: the gateway where nothing but the producer is installed.

All settings are environment variables, as with `cellblock gateway`: CELLBLOCK_GATEWAY_*, CELLBLOCK_REDIS_URL
and CELLBLOCK_QUEUE. Exit code 2: one of them does not fit.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Final

from cellblock_producer.keys import DEFAULT_QUEUE

from . import GatewaySettings, create_app, serve

_PREFIX: Final = "CELLBLOCK_GATEWAY_"
_log = logging.getLogger("cellblock.gateway")


def main(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(_PREFIX)
    }
    url = environ.get("CELLBLOCK_REDIS_URL", "redis://127.0.0.1:6379/0")
    try:
        settings = GatewaySettings.model_validate(given)
        app = create_app(settings, redis_url=url, queue=environ.get("CELLBLOCK_QUEUE", DEFAULT_QUEUE))
    except ValueError as error:  # KeysError, too; neither quotes a value
        _log.critical("the gateway does not start: %s", error)
        return 2
    return 0 if serve(app, settings, lambda where: _log.info("serving at %s", where)) else 3


if __name__ == "__main__":
    sys.exit(main(os.environ))
