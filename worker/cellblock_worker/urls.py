"""Celery's spellings of one Redis URL.

redis-py takes `unix:///path?db=1`, Celery wants `redis+socket:///path?virtual_host=1`; and Celery's result
backend refuses `rediss://` unless the URL says how the certificate is checked.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

from .transport import ALIAS


def backend_url(redis_url: str) -> str:
    """Return `redis_url` (redis://, rediss:// or unix://) as Celery's result backend wants it.

    Raises:
        ValueError: another scheme.
    """
    parts = urlsplit(redis_url)
    query = dict(parse_qsl(parts.query))
    match parts.scheme:
        case "redis":
            return redis_url
        case "rediss":
            scheme = "rediss"
            query.setdefault("ssl_cert_reqs", "required")
        case "unix":
            scheme = "redis+socket"
            query["virtual_host"] = query.pop("db", "0")
        case _:
            raise ValueError(f"not a Redis URL: scheme {parts.scheme!r}")
    return f"{scheme}://{parts.netloc}{parts.path}?{urlencode(query)}"


def broker_url(redis_url: str) -> str:
    """Return `redis_url` in the scheme of our own transport. Raises ValueError as `backend_url` does."""
    scheme, rest = backend_url(redis_url).split("://", 1)
    return f"{ALIAS}{'+socket' if scheme.endswith('+socket') else ''}://{rest}"
