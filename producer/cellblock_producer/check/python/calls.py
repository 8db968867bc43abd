"""Calls whose arguments decide whether a cell refuses them."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .. import words
from .names import Resolver

_WRITING: Final = frozenset("wax+")
_TEXT_DEPTH: Final = 20
_BEFORE_DELAY: Final = 3  # arguments of FileHandler before `delay`, the least of all log handlers
_BEFORE_FILENO: Final = 3


@dataclass(frozen=True)
class Refusal:
    """What a call does that is refused; `sure` where it fails in every cell."""

    does: str
    sure: bool = False


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    given = _keyword(call, name)
    return call.args[position] if given is None and len(call.args) > position else given


def _spread(call: ast.Call) -> bool:
    return any(isinstance(one, ast.Starred) for one in call.args) or any(
        keyword.arg is None for keyword in call.keywords
    )


def is_text(node: ast.expr | None, resolver: Resolver, depth: int = 0) -> bool:
    """Whether `node` is a path for certain, and not a number or an open file."""
    if node is None or depth > _TEXT_DEPTH:
        return False
    if isinstance(node, ast.JoinedStr) or resolver.text(node) is not None:
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return is_text(node.left, resolver, depth + 1) or is_text(node.right, resolver, depth + 1)
    names = resolver.names(node)
    if names.only in {"pathlib.Path()", "builtins.str()", "os.path.join()"}:
        return True
    bound = resolver.bound(node) if isinstance(node, ast.Name) else []
    return len(bound) == 1 and isinstance(bound[0], ast.expr) and is_text(bound[0], resolver, depth + 1)


def _mode(call: ast.Call, resolver: Resolver, position: int) -> str | None:
    mode = _argument(call, position, "mode")
    return "r" if mode is None else resolver.text(mode)


def _opening(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """The built-in one, which also takes the number of an open file."""
    path, mode = _argument(call, 0, "file"), _mode(call, resolver, 1)
    if isinstance(path, ast.Constant) and isinstance(path.value, int):
        return None
    if mode is None or not _WRITING & set(mode):
        return Refusal(words.READ)
    plain = not _spread(call) and _argument(call, 7, "opener") is None
    return Refusal(words.WRITE, sure=plain and is_text(path, resolver))


def _of_path(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """`Path.open`, where the mode comes first."""
    mode = _mode(call, resolver, 0)
    writes = mode is not None and bool(_WRITING & set(mode))
    return Refusal(words.WRITE, sure=not _spread(call)) if writes else Refusal(words.READ)


def _wrapping(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """Those that take a path or an open file: only the former is a finding."""
    if not is_text(_argument(call, 0, "name"), resolver) or _keyword(call, "fileobj") is not None:
        return None
    mode = _mode(call, resolver, 1)
    writes = mode is not None and bool(_WRITING & set(mode))
    return Refusal(words.WRITE, sure=not _spread(call)) if writes else Refusal(words.READ)


def _reading(call: ast.Call, resolver: Resolver) -> Refusal | None:
    return Refusal(words.READ) if call.args and is_text(call.args[0], resolver) else None


def _database(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """SQLite: in memory it works."""
    path = _argument(call, 0, "database")
    name = resolver.text(path)
    if name is not None and (name == "" or ":memory:" in name or "mode=memory" in name):
        return None
    plain = name is not None and not name.startswith("file:") and not _spread(call)
    return Refusal(words.WRITE, sure=plain)


def _fetching(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """`urlopen`, which also reads `data:` addresses."""
    address = resolver.text(_argument(call, 0, "url"))
    if address is not None and address.startswith("data:"):
        return None
    return Refusal(words.CONNECT, sure=address is not None and address.startswith(("http:", "https:")))


def _dialling(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """Clients that connect at once where they are given a host."""
    host = _argument(call, 0, "host")
    return Refusal(words.CONNECT, sure=bool(resolver.text(host))) if host is not None else None


def _logging(call: ast.Call, resolver: Resolver) -> Refusal | None:
    name = _keyword(call, "filename")
    return Refusal(words.WRITE) if is_text(name, resolver) else None


def _log_file(call: ast.Call, _: Resolver) -> Refusal | None:
    """Opened at once unless `delay` is asked for."""
    delayed = len(call.args) > _BEFORE_DELAY or _keyword(call, "delay") is not None
    return Refusal(words.WRITE, sure=not delayed and not _spread(call))


def _socket(call: ast.Call, _: Resolver) -> Refusal | None:
    """A new one, or one around a descriptor that is open."""
    wraps = len(call.args) > _BEFORE_FILENO or _keyword(call, "fileno") is not None
    return Refusal(words.CONNECT, sure=not wraps and not _spread(call))


def _connecting(call: ast.Call, _: Resolver) -> Refusal | None:
    """asyncio's, which also take a socket that is there."""
    return Refusal(words.CONNECT, sure=_keyword(call, "sock") is None and not _spread(call))


def _mapping(call: ast.Call, resolver: Resolver) -> Refusal | None:
    """Memory is shared unless it is asked for otherwise."""
    plain = len(call.args) == 2 and not call.keywords and not _spread(call)
    return Refusal(words.SHARE, sure=True) if plain else None


CALLS: Final[dict[str, Callable[[ast.Call, Resolver], Refusal | None]]] = {
    "builtins.open": _opening,
    "codecs.open": _opening,
    "pathlib.Path().open": _of_path,
    "urllib.request.urlopen": _fetching,
    "sqlite3.connect": _database,
    "logging.basicConfig": _logging,
    "mmap.mmap": _mapping,
    "socket.socket": _socket,
    **dict.fromkeys(("asyncio.open_connection", "asyncio.open_unix_connection"), _connecting),
    **dict.fromkeys(
        (
            *("logging.FileHandler", "logging.handlers.RotatingFileHandler"),
            "logging.handlers.TimedRotatingFileHandler",
        ),
        _log_file,
    ),
    **dict.fromkeys(
        ("smtplib.SMTP", "smtplib.SMTP_SSL", "ftplib.FTP"),
        _dialling,
    ),
    **dict.fromkeys(
        (
            *("gzip.open", "gzip.GzipFile", "bz2.open", "bz2.BZ2File", "lzma.open", "lzma.LZMAFile"),
            *("zipfile.ZipFile", "tarfile.open", "tarfile.TarFile.open", "wave.open", "dbm.open"),
        ),
        _wrapping,
    ),
    **dict.fromkeys(("xml.etree.ElementTree.parse", "xml.dom.minidom.parse"), _reading),
}
"""By the full name of what is called."""
