"""The HTTP gateway: jobs over HTTP for engines in any language, and Dify's own sandbox API.

Needs the extra `gateway`. `cellblock gateway` serves it; `create_app` is the ASGI application.
"""

from .api_keys import DIFYS_KEY, Key, KeyRing, KeysError, Scope, entry_of, make_key, new_secret
from .app import create_app
from .server import serve
from .settings import GatewaySettings

__all__ = [
    "DIFYS_KEY",
    "GatewaySettings",
    "Key",
    "KeyRing",
    "KeysError",
    "Scope",
    "create_app",
    "entry_of",
    "make_key",
    "new_secret",
    "serve",
]
