"""Static files under names that carry a hash of their content, so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from aiohttp import web

from ..resources import resource_dir

_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "public, max-age=60"
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
}


class Assets:
    """Reads `static/` once. `url("app.css")` is `/static/<hash>/app.css`; the plain `/static/app.css` is served too."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or resource_dir("static")
        self._bodies: dict[str, bytes] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                self._bodies[path.relative_to(self.folder).as_posix()] = path.read_bytes()
        digest = hashlib.sha256()
        for name, body in self._bodies.items():
            digest.update(name.encode() + b"\0" + body)
        self.version = digest.hexdigest()[:12]
        """One hash over all files: modules import each other relatively, so they must change their address together."""

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError where there is none: a template named a file that does not exist."""
        if name not in self._bodies:
            raise KeyError(f"static/{name} does not exist.")
        return f"/static/{self.version}/{name}"

    def text(self, name: str) -> str:
        """The text of a file. Raises KeyError where there is none."""
        return self._bodies[name].decode("utf-8")

    def response(self, name: str) -> web.Response:
        """The file, or 404."""
        version, _, rest = name.partition("/")
        hashed = version == self.version
        body = self._bodies.get(rest if hashed else name)
        if body is None:
            raise web.HTTPNotFound
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"Cache-Control": _IMMUTABLE if hashed else _REVALIDATE}
        charset = "utf-8" if kind.startswith("text/") else None
        answer = web.Response(body=body, content_type=kind, charset=charset, headers=headers)
        if len(body) > 1024:
            answer.enable_compression()
        return answer


ASSETS: web.AppKey[Assets] = web.AppKey("assets")
routes = web.RouteTableDef()


@routes.get("/static/{name:.+}")
async def static_file(request: web.Request) -> web.Response:
    """A file of `static/`; only names that were there at the start, so no path can leave the folder."""
    return request.app[ASSETS].response(request.match_info["name"])
