"""The pages for people: a place to try a node, and the reference. Nothing in them comes from elsewhere."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_FOLDER: Final = files(__package__) / "page"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_PATHS: Final = {
    "/": "index.html",
    "/docs": "docs.html",
    "/page/page.js": "page.js",
    "/page/editor.js": "editor.js",
    "/page/docs.js": "docs.js",
    "/page/page.css": "page.css",
    "/favicon.ico": "icon.svg",
}


def _serve(path: str, name: str) -> None:
    body = (_FOLDER / name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]

    async def page() -> Response:
        return Response(body, headers=_HEADERS, media_type=media_type)

    router.add_api_route(path, page, methods=["GET", "HEAD"], name=name)


for _path, _name in _PATHS.items():
    _serve(_path, _name)
