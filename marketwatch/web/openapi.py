"""The OpenAPI 3.1 document, made from the endpoints and their structs, and the page that shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec
from aiohttp import hdrs, web

from .. import __version__
from .api import ACTIONS, ENDPOINTS, alert_stream, book_files, preview, replay_stream
from .api import stream as price_stream
from .api.action import Action
from .api.endpoint import Endpoint, extra_of
from .api.market import CoinsQuery, NoQuery
from .assets import ASSETS
from .envelope import Failure, Meta
from .snapshot import json_answer

_REF = "#/components/schemas/{name}"
_MEANINGS = {
    400: "A parameter or a field of the body is unknown, missing or wrong",
    401: "The request does not say well enough who sends it: no token, or one that is not good now",
    403: "Whoever asks may not do this, or the request was sent from a page of another site",
    409: "What is stored by now does not fit the request",
    404: "The coin is not watched, or there is nothing with this id",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many requests; Retry-After says when to come again",
    500: "An unexpected failure",
    503: "No market is open yet, or the database does not answer",
}
_TEXT = """Live prices, metrics, candles, whales and alerts of the crypto market. Every answer is an envelope with `success`,
`data` and `meta`; `meta.source` says whether the numbers are live, demo or recorded. Times are ISO 8601 UTC with
milliseconds, what is not known is null. `/ws/prices?coins=` sends `price_update` messages over a WebSocket,
`/ws/portfolio/{portfolio_id}` what a portfolio is worth each second."""


def document(endpoints: Iterable[Endpoint[Any]] = ENDPOINTS, actions: Iterable[Action[Any]] = ACTIONS) -> dict[str, Any]:
    """The whole document as plain objects."""
    chosen, acts = list(endpoints), list(actions)
    answers = [endpoint.data for endpoint in chosen]
    bodies = [preview.PreviewRow, preview.PreviewAsk, *_kinds(acts)]
    schemas, components = msgspec.json.schema_components([*answers, *bodies, Meta, Failure], ref_template=_REF)
    components["Failure"]["properties"]["success"] = {"const": False}
    paths = {endpoint.path: {"get": _operation(endpoint, schema)} for endpoint, schema in zip(chosen, schemas, strict=False)}
    paths[price_stream.PATH] = {"get": _price_stream()}
    paths[alert_stream.PATH] = {"get": _alert_stream()}
    paths[replay_stream.PATH] = {"get": _replay_stream()}
    paths[book_files.EXPORT_PATH] = {"get": _export()}
    paths[preview.PATH] = {"post": _preview()}
    for action in acts:
        paths.setdefault(action.path, {})[action.method.lower()] = _act(action)
    return {
        "openapi": "3.1.0",
        "info": {"title": "marketwatch", "version": __version__, "description": _TEXT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys([part.tag for part in chosen] + [act.tag for act in acts])],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SECURITY},
    }


def _operation(endpoint: Endpoint[Any], schema: dict[str, Any]) -> dict[str, Any]:
    parameters = list(parameters_of(endpoint.query, endpoint.path))
    named = any(part["name"].startswith("coin") or part["in"] == "path" or part["name"] == "alert_id" for part in parameters)
    named = named or endpoint.accounts or endpoint.asked
    statuses = [400, 401, 403, *([404] if named else []), *([409] if endpoint.owned else [])]
    statuses += [429, 500, 503]
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        **({"description": endpoint.description} if endpoint.description else {}),
        "tags": [endpoint.tag],
        **({} if endpoint.role in ("anyone", "guest") and not endpoint.owned else {"security": _SECURED}),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Good", "content": {"application/json": {"schema": _envelope(schema)}}},
            **{str(status): _failure(status) for status in statuses},
        },
    }


def _kinds(actions: Iterable[Action[Any]]) -> list[Any]:
    return [kind for action in actions for kind in (action.data, action.body) if kind is not None]


def _act(action: Action[Any]) -> dict[str, Any]:
    """The operation of an action."""
    parameters = list(parameters_of(action.query, action.path))
    body: dict[str, Any] = {}
    if action.body is not None:
        (schema,), _ = msgspec.json.schema_components([action.body], ref_template=_REF)
        body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
        if action.from_csv is not None:
            body["requestBody"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    (answered,), _ = msgspec.json.schema_components([action.data], ref_template=_REF)
    good = {"description": "Good", "content": {"application/json": {"schema": _envelope(answered)}}}
    everyone = action.role in ("anyone", "guest")
    statuses = [400, *([401] if action.role != "anyone" or action.accounts else []), 403]
    statuses += [404] if parameters or body or action.accounts else []
    statuses += [*([409] if action.conflicts else []), 413, *([415] if body else []), 429, 500, 503]
    return {
        "operationId": action.operation,
        "summary": action.summary,
        **({"description": action.description} if action.description else {}),
        "tags": [action.tag],
        **({} if everyone else {"security": _SECURED}),
        "parameters": parameters,
        **body,
        "responses": {str(action.status): good, **{str(status): _failure(status) for status in statuses}},
    }


_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of /api/users/login, an API key, the owner's token, or one of the identity provider",
    }
}
_SECURED: list[dict[str, list[str]]] = [{"token": []}]


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    """The schema of a good answer around that of its data."""
    meta = {"$ref": _REF.format(name="Meta")}
    properties = {"success": {"const": True}, "data": data, "meta": meta}
    return {"type": "object", "required": list(properties), "properties": properties}


_PREVIEW = (400, 401, 403, 404, 413, 415, 429, 500, 503)


def _preview() -> dict[str, Any]:
    """A question with a body that changes nothing."""
    asked, answered = ({"$ref": _REF.format(name=kind.__name__)} for kind in (preview.PreviewAsk, preview.PreviewRow))
    good = {"description": "Good", "content": {"application/json": {"schema": _envelope(answered)}}}
    return {
        **preview.operation(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": good,
            **{str(status): _failure(status) for status in _PREVIEW},
        },
    }


def _export() -> dict[str, Any]:
    """An answer that is a file."""
    text = {"schema": {"type": "string"}}
    good = {"description": "The file", "content": {"text/csv": text, "application/json": {"schema": {"type": "object"}}}}
    return {
        "operationId": "export_portfolio",
        "summary": "A portfolio as a file",
        "description": "CSV in the format that the import takes, or JSON with everything.",
        "tags": ["portfolios"],
        "security": _SECURED,
        "parameters": list(parameters_of(book_files.ExportQuery, book_files.EXPORT_PATH)),
        "responses": {"200": good, **{str(status): _failure(status) for status in (400, 401, 403, 404, 409, 429, 500, 503)}},
    }


def _price_stream() -> dict[str, Any]:
    text = "Server-sent events. Each holds the prices that changed as `{data: [price], meta}`; the first holds all of them."
    return _stream_operation("market", "Changed prices as they happen", text, CoinsQuery, (400, 401, 403, 404, 429, 500, 503))


def _alert_stream() -> dict[str, Any]:
    text = "Server-sent events. Each holds the alerts that changed as `{data: [alert], meta}`; the first holds all active ones."
    return _stream_operation("alerts", "Alerts as they change", text, NoQuery, (400, 401, 403, 429, 500, 503))


def _replay_stream() -> dict[str, Any]:
    text = "Server-sent events: `{type: begin}`, each `step` and each change of the `alert`, then `{type: end}`."
    statuses = (400, 401, 403, 404, 429, 500, 503)
    return _stream_operation("replay", "An alert's samples run once more", text, replay_stream.StreamQuery, statuses)


def _stream_operation(
    tag: str, summary: str, text: str, query: type[msgspec.Struct], statuses: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "operationId": f"{tag}_stream",
        "summary": summary,
        "description": text,
        "tags": [tag],
        "parameters": list(parameters_of(query, "")),
        "responses": {
            "200": {"description": text, "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **{str(status): _failure(status) for status in statuses},
        },
    }


def _failure(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name="Failure")}}}
    answer: dict[str, Any] = {"description": _MEANINGS[status], "content": content}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    return answer


def parameters_of(query: type[msgspec.Struct], path: str) -> Iterator[dict[str, Any]]:
    """The parameter objects of a struct."""
    for field in msgspec.structs.fields(query):
        name = field.encode_name
        in_path = f"{{{name}}}" in path
        schema = _schema(field)
        parameter: dict[str, Any] = {"name": name, "in": "path" if in_path else "query", "required": field.required or in_path}
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        if not field.required and field.default not in (None, msgspec.NODEFAULT):
            schema["default"] = field.default
        yield {**parameter, "schema": schema}


def _schema(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """The schema of a parameter's value; that it may be left out is not a null."""
    kind = next((part for part in get_args(field.type) if getattr(part, "__metadata__", None)), field.type)
    extra = extra_of(field)
    schema: dict[str, Any] = dict(msgspec.json.schema(kind))
    for definition in schema.pop("$defs", {}).values():
        del schema["$ref"]
        schema = {**definition, **schema}
    if "schema" in extra:
        schema = {**({"description": schema["description"]} if "description" in schema else {}), **extra["schema"]}
    if "example" in extra:
        schema["examples"] = [extra["example"]]
    return schema


class _Encoded:
    """The document as bytes, made when it is first asked for."""

    def __init__(self) -> None:
        self._made: tuple[bytes, str] | None = None

    def get(self) -> tuple[bytes, str]:
        """Bytes and entity tag."""
        if self._made is None:
            body = msgspec.json.encode(document())
            self._made = (body, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        return self._made


routes = web.RouteTableDef()
DOCUMENT: web.AppKey[_Encoded] = web.AppKey("openapi", _Encoded)


def new_document() -> _Encoded:
    """What belongs under `DOCUMENT`."""
    return _Encoded()


@routes.get("/api/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """The document; 304 for who has it."""
    body, tag = request.app[DOCUMENT].get()
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return json_answer(b"", status=304, tag=tag)
    return json_answer(body, tag=tag)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>API · marketwatch</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="{icon}"><link rel="stylesheet" href="{css}">
<script src="{bundle}" defer></script><script src="{init}" defer></script></head>
<body><main>
<noscript><p>This page needs JavaScript; the document is at <a href="/api/openapi.json">/api/openapi.json</a>.</p></noscript>
<div id="swagger" data-url="/api/openapi.json"></div></main></body></html>
"""


@routes.get("/api/docs")
async def docs(request: web.Request) -> web.Response:
    """Swagger UI."""
    url = request.app[ASSETS].url
    text = _PAGE.format(
        icon=url("icon.svg"),
        css=url("vendor/swagger-ui-5.35.0.css"),
        bundle=url("vendor/swagger-ui-5.35.0.min.js"),
        init=url("vendor/swagger-init.js"),
    )
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})
