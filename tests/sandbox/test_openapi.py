"""The sandbox's own /openapi.json against the contract: the same operations, parameters, answers and members."""

from pathlib import Path
from typing import Any

import pytest
import yaml

CONTRACTS = {
    name: yaml.safe_load((Path(__file__).parents[2] / "contract" / name).read_text(encoding="utf-8"))
    for name in ("pleo-export-v3.openapi.yaml", "pleo-webhooks.openapi.yaml")
}
OPERATIONS = [
    (name, path, method)
    for name, contract in CONTRACTS.items()
    for path, item in contract["paths"].items()
    for method in item
]


def resolved(document: dict[str, Any], part: Any) -> Any:
    while isinstance(part, dict) and "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def members(document: dict[str, Any], schema: Any, depth: int = 0) -> Any:
    """Reduce a schema to its member names, down to the leaves."""
    schema = resolved(document, schema)
    for choice in schema.get("anyOf", []):
        if resolved(document, choice).get("type") != "null":
            schema = resolved(document, choice)
    if "properties" in schema and depth < 12:
        return {name: members(document, part, depth + 1) for name, part in schema["properties"].items()}
    if "items" in schema:
        return [members(document, schema["items"], depth + 1)]
    return "value"


@pytest.fixture(scope="module")
def own(reference_server: Any) -> dict[str, Any]:
    document: dict[str, Any] = reference_server.ok(reference_server.http.get("/openapi.json"))
    return document


@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_operation_has_the_contracts_name_and_parameters(
    own: dict[str, Any], name: str, path: str, method: str
) -> None:
    """Each operation carries the published operationId and exactly the published parameters."""
    contract = CONTRACTS[name]
    theirs, ours = contract["paths"][path][method], own["paths"][path][method]
    assert ours["operationId"] == theirs["operationId"]

    def named(document: dict[str, Any], operation: Any) -> set[tuple[str, str, bool]]:
        parameters = [resolved(document, parameter) for parameter in operation.get("parameters", [])]
        return {(parameter["name"], parameter["in"], parameter["required"]) for parameter in parameters}

    assert named(own, ours) == named(contract, theirs)
    assert ours["security"] == contract["security"]


@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_answers_and_bodies_have_the_contracts_members(own: dict[str, Any], name: str, path: str, method: str) -> None:
    """Every published status is described, with the published members and media type."""
    contract = CONTRACTS[name]
    theirs, ours = contract["paths"][path][method], own["paths"][path][method]
    assert set(theirs["responses"]) <= set(ours["responses"])
    for status, answer in theirs["responses"].items():
        if status >= "400" and "content" not in answer:
            continue  # the definition has no shape for this refusal; the sandbox uses that of the others
        described = ours["responses"][status].get("content", {})
        assert set(described) == set(answer.get("content", {}))
        for media_type, content in answer.get("content", {}).items():
            assert members(own, described[media_type]["schema"]) == members(contract, content["schema"])
    for media_type, content in theirs.get("requestBody", {}).get("content", {}).items():
        asked = members(own, ours["requestBody"]["content"][media_type]["schema"])
        published = members(contract, content["schema"])
        if path == "/v3/export-job-events":
            published["exportJobId"] = "value"  # the guide's name for the job
        assert asked == published


def test_profiles_describe_their_own_event(own: dict[str, Any], guide_server: Any) -> None:
    """The member jobId is required by the reference and not by the guide."""
    theirs = guide_server.ok(guide_server.http.get("/openapi.json"))
    assert "jobId" in own["components"]["schemas"]["CreateExportJobEvent"]["required"]
    assert "jobId" not in theirs["components"]["schemas"]["CreateExportJobEvent"]["required"]


def test_every_reference_leads_somewhere(own: dict[str, Any]) -> None:
    """No $ref is left hanging."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            resolved(own, part)
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(own)
