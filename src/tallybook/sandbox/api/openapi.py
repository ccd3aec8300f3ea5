"""/openapi.json: what FastAPI sees, and what it cannot: bodies read by hand, credentials, refusals of every call."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from tallybook.sandbox.api import schemas
from tallybook.sandbox.api.schemas_subscriptions import SubscriptionRequest
from tallybook.sandbox.api.wire import PleoResponse, json_text
from tallybook.sandbox.rules import Profile

_EVENT = schemas.CreateExportJobEvent.__name__


def describe(app: FastAPI, profile: Profile) -> dict[str, Any]:
    """Describe the app as OpenAPI 3.1.

    Repeat: the same document, made once.
    """
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _add_bodies(made, profile)
        _add_refusals(made)
        _drop_null_defaults(made)
        app.openapi_schema = made
    return app.openapi_schema


def _add_bodies(made: dict[str, Any], profile: Profile) -> None:
    event = schemas.CreateExportJobEventOfTheGuide if profile is Profile.GUIDE else schemas.CreateExportJobEvent
    read = (schemas.CreateExportJob, schemas.UpdateExportJobItemV3, event, schemas.ExceptionInfo, SubscriptionRequest)
    _, found = models_json_schema(
        [(model, "validation") for model in read], ref_template="#/components/schemas/{model}"
    )
    bodies = found["$defs"]
    bodies[_EVENT] = bodies.pop(event.__name__)
    made["components"]["schemas"] = made["components"].get("schemas", {}) | bodies


def _add_refusals(made: dict[str, Any]) -> None:
    made["components"]["securitySchemes"] = {
        "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "basicAuth": {"type": "http", "scheme": "basic", "description": "API key as user name, empty password."},
    }
    refusal = {PleoResponse.media_type: {"schema": {"$ref": "#/components/schemas/ExceptionInfo"}}}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            answers.get("202", {}).pop("content", None)  # accepted, and nothing to say
            if "HTTPValidationError" in json_text(answers.get("422")):
                del answers["422"]  # FastAPI's own form; here a malformed request is a 400
                answers.setdefault("400", {"description": "The request is malformed.", "content": refusal})
            if path.startswith(("/v3", "/v1")):
                operation["security"] = [{"bearerAuth": []}, {"basicAuth": []}]
                answers["401"] = {"description": "No or wrong credentials.", "content": refusal}
                answers["403"] = {"description": "The credentials do not reach that far.", "content": refusal}
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)


def _drop_null_defaults(part: Any) -> None:
    # An optional member is simply absent; a default of None would say that null means the same.
    if isinstance(part, dict):
        if "default" in part and part["default"] is None:
            del part["default"]
        for value in part.values():
            _drop_null_defaults(value)
    elif isinstance(part, list):
        for value in part:
            _drop_null_defaults(value)
