"""`cellblock gateway`: jobs over HTTP, and the keys of those who may send them."""

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from cellblock_producer.contract import Language
from cellblock_producer.gateway import (
    DIFYS_KEY,
    GatewaySettings,
    KeysError,
    Scope,
    create_app,
    entry_of,
    make_key,
    new_secret,
    serve,
)
from cellblock_producer.keys import DEFAULT_TENANT

from cellblock_worker import log_lines
from cellblock_worker.cli.exits import NOT_AVAILABLE, SUCCEEDED, USAGE, leave, read_settings
from cellblock_worker.cli.options import QueueOption, RedisOption
from cellblock_worker.settings import GATEWAY_PREFIX, SettingsError, read_variables

# What the default Python runtime borrows from our own environment.
_PACKAGES: Final = ("jinja2", "markupsafe", "tzdata")

app = typer.Typer(invoke_without_command=True)


@app.callback()
def gateway(
    context: typer.Context,
    redis: RedisOption = None,
    queue: QueueOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 8194 by default; 0 picks a free one.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File with the keys of those who may call.", show_default=False)
    ] = None,
    development: Annotated[
        bool, typer.Option("--development", help=f"Take the key {DIFYS_KEY}, on loopback only; for a trial.")
    ] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
) -> None:
    """Serve jobs over HTTP, Dify's sandbox API, and a page to try a node, until SIGTERM or Ctrl-C.

    Every setting is also a CELLBLOCK_GATEWAY_* environment variable.
    Without a file of keys it does not start.
    """
    if context.invoked_subcommand is not None:
        return
    common = read_settings(redis_url=redis, queue=queue, log_level=log_level, log_format=log_format)
    settings = _settings(host=host, port=port, keys=keys, development=development or None)
    log_lines.configure(common.log_level, common.log_format)
    try:
        served = create_app(settings, redis_url=common.redis_url, queue=common.queue, packages=_packages())
    except (KeysError, ValueError) as error:
        leave(USAGE, str(error))
    if settings.development:
        typer.echo(f"cellblock: development: everybody knows the key {DIFYS_KEY}", err=True)
    done = serve(served, settings, lambda url: typer.echo(f"Gateway at {url}"))
    raise typer.Exit(SUCCEEDED if done else NOT_AVAILABLE)


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="What logs call it.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs its jobs are.")] = DEFAULT_TENANT,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it is good for; may be repeated. All but reply by default."),
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Take the key from standard input instead of making one.")
    ] = False,
) -> None:
    """Make a key: print it on standard error, and on standard output its entry for the file of keys.

    The file is {"keys": [ENTRY, ...]}. The key itself is nowhere kept.
    """
    secret = sys.stdin.readline().strip() if stdin else new_secret()
    try:
        entry = entry_of(make_key(secret, name, tenant, scope or ()))
    except KeysError as error:
        leave(USAGE, str(error))
    if not stdin:
        typer.echo(f"The key, shown this once: {secret}", err=True)
    typer.echo(entry)


def _settings(**given: object) -> GatewaySettings:
    options = {
        GATEWAY_PREFIX + name.upper(): str(value) for name, value in given.items() if value is not None
    }
    try:
        return read_variables(GatewaySettings, GATEWAY_PREFIX, {**os.environ, **options})
    except SettingsError as error:
        leave(USAGE, str(error))


def _packages() -> dict[Language, list[tuple[str, str]]]:
    return {Language.PYTHON3: [(name, importlib.metadata.version(name)) for name in _PACKAGES]}
