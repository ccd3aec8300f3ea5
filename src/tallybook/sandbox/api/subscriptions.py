"""Pleo's operations on webhook subscriptions, version 1. Source: definition, Webhook Subscriptions API, paths."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter, WithJsonSchema

from tallybook.sandbox import subscriptions
from tallybook.sandbox.api import schemas_subscriptions as schemas
from tallybook.sandbox.api.requests import PageAsked, SandboxHere, allowed, other_parameters, read_body
from tallybook.sandbox.api.schemas import ExceptionInfo, UuidText
from tallybook.sandbox.api.wire import Json, PleoResponse, json_text, page_text
from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.subscriptions import Activity, ChangeKind, Subscription

# Pleo's page on webhooks: a subscription needs the scopes of the API behind its events.
router = APIRouter(
    prefix="/v1/subscriptions", default_response_class=PleoResponse, dependencies=[Depends(allowed("export-jobs:read"))]
)

_REQUEST: Final = TypeAdapter(schemas.SubscriptionRequest)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {PleoResponse.media_type: {"schema": {"$ref": "#/components/schemas/SubscriptionRequest"}}},
    }
}
_SAID: Final = {
    400: "The request is not as the definition has it.",
    404: "There is no such subscription.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "The sandbox itself failed.",
}


def _answers(status: int, said: str, model: Any, *refusals: int) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {status: {"description": said} | ({"model": model} if model else {})}
    for code in refusals:
        answers[code] = {"description": _SAID[code], "model": ExceptionInfo}
    return answers


@router.get(
    "",
    operation_id="getSubscriptions",
    summary="List subscriptions",
    responses=_answers(200, "A page of subscriptions.", schemas.CursorPaginatedResponseSubscriptionModel, 400, 500),
)
async def list_subscriptions(
    request: Request,
    sandbox: SandboxHere,
    asked: PageAsked,
    status: Annotated[str | None, Query(json_schema_extra=schemas.STATUSES)] = None,
    event_types: Annotated[list[Annotated[str, WithJsonSchema(schemas.EVENT_TYPE)]] | None, Query()] = None,
) -> Response:
    """Subscriptions, oldest first unless asked otherwise; `event_types` asks for any of them."""
    page, found = await sandbox.store.run(subscriptions.list_subscriptions, status, event_types or (), asked)
    data = [json_text(_subscription_json(each)) for each in found]
    return PleoResponse(page_text(data, page, asked, other_parameters(request)))


@router.post(
    "",
    operation_id="createSubscription",
    summary="Create a subscription",
    responses=_answers(200, "The subscription.", schemas.SubscriptionResponse, 400, 413, 415, 500),
    openapi_extra=_BODY,
)
async def create_subscription(request: Request, sandbox: SandboxHere) -> Response:
    """Create a subscription; the answer is a 200."""
    terms = (await read_body(request, _REQUEST)).terms()
    made = await sandbox.store.run(subscriptions.create_subscription, sandbox.world, sandbox.now_s(), terms)
    sandbox.hide(made.secret)
    return PleoResponse(json_text({"data": _subscription_json(made)}))


@router.get(
    "/{id}",
    operation_id="getSubscriptionById",
    summary="Read a subscription",
    responses=_answers(200, "The subscription.", schemas.SubscriptionResponse, 400, 404),
)
async def read_subscription(id: UuidText, sandbox: SandboxHere) -> Response:  # noqa: A002 - Pleo's name
    """One subscription."""
    found = await sandbox.store.run(subscriptions.find_subscription, id)
    return PleoResponse(json_text({"data": _subscription_json(found)}))


@router.put(
    "/{id}",
    operation_id="updateSubscription",
    summary="Update a subscription",
    responses=_answers(200, "The subscription.", schemas.SubscriptionResponse, 400, 404, 413, 415, 500),
    openapi_extra=_BODY,
)
async def update_subscription(request: Request, id: UuidText, sandbox: SandboxHere) -> Response:  # noqa: A002 - Pleo's
    """Replace a subscription; a member left out takes its default. The secret stays."""
    terms = (await read_body(request, _REQUEST)).terms()
    changed = await sandbox.store.run(subscriptions.replace_subscription, sandbox.world, sandbox.now_s(), id, terms)
    return PleoResponse(json_text({"data": _subscription_json(changed)}))


@router.delete(
    "/{id}",
    operation_id="deleteSubscription",
    summary="Delete a subscription",
    status_code=204,
    responses=_answers(204, "Deleted.", None, 400, 404, 500),
)
async def delete_subscription(id: UuidText, sandbox: SandboxHere) -> Response:  # noqa: A002 - Pleo's name
    """Delete a subscription; nothing is sent to it any more."""
    await sandbox.store.run(subscriptions.delete_subscription, sandbox.world, sandbox.now_s(), id)
    return Response(status_code=204)


@router.get(
    "/{id}/activities",
    operation_id="getSubscriptionActivities",
    summary="List the changes made to a subscription",
    responses=_answers(200, "A page of changes.", schemas.CursorPaginatedResponseSubscriptionActivityModel, 400, 404),
)
async def list_activities(
    request: Request,
    id: UuidText,  # noqa: A002 - Pleo's name
    sandbox: SandboxHere,
    asked: PageAsked,
    operation_types: Annotated[list[ChangeKind] | None, Query()] = None,
) -> Response:
    """Changes, oldest first unless asked otherwise; readable also when the subscription is deleted."""
    page, found = await sandbox.store.run(subscriptions.list_activities, id, operation_types or (), asked)
    data = [json_text(_activity_json(each)) for each in found]
    return PleoResponse(page_text(data, page, asked, other_parameters(request)))


@router.get(
    "/{id}/secret",
    operation_id="getSubscriptionSecret",
    summary="Read the secret that signs notifications",
    responses=_answers(200, "The secret.", schemas.SubscriptionSecretResponse, 400, 404),
)
async def read_secret(id: UuidText, sandbox: SandboxHere) -> Response:  # noqa: A002 - Pleo's name
    """The secret of one subscription."""
    found = await sandbox.store.run(subscriptions.find_subscription, id)
    return PleoResponse(json_text({"data": {"secretKey": found.secret}}))


def _subscription_json(subscription: Subscription) -> Json:
    """SubscriptionModel; what is secret is written and never read back."""
    terms = subscription.terms
    auth: Json = {"type": "NONE"}
    if terms.basic is not None:
        auth = {"type": "BASIC", "credentials": {"username": terms.basic[0]}}
    return {
        "createdAt": instant_text(subscription.created_at),
        "customHeaders": dict(terms.custom_headers),
        "endpointAuth": auth,
        "endpointUrl": terms.endpoint_url,
        "eventTypes": list(terms.event_types),
        "id": subscription.id,
        "status": terms.status,
        "updatedAt": instant_text(subscription.updated_at),
    }


def _activity_json(activity: Activity) -> Json:
    return {
        "actorUrn": activity.actor_urn,
        "createdAt": instant_text(activity.created_at),
        "description": activity.description,
        "id": activity.id,
        "operationType": activity.kind,
        "subscriptionId": activity.subscription_id,
    }
