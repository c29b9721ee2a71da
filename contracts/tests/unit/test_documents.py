"""The committed documents match what the code generates, and are valid by their standards."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import libyaml
import pytest
from jsonschema_rs import Draft202012Validator, meta

from contracts.__main__ import main
from contracts.documents import ROOT, existing, generate
from contracts.examples import examples
from contracts.openapi import SERVICES
from contracts.schemas import event_types
from pedidos.command import KEY_PATTERN, InvalidKeyError, parse_key
from reservaestoque.bus import QUEUES
from reservaestoque.events import CloudEvent
from reservaestoque.http.problems import MEDIA_TYPE

GENERATED = generate()


def document(name: str) -> Any:
    text = GENERATED[name]
    return libyaml.load(text) if name.endswith(".yaml") else json.loads(text)


ASYNCAPI = document("asyncapi.yaml")
OPERATIONS = [
    pytest.param(service, path, method, id=f"{method} {path}")
    for service in SERVICES
    for path, item in document(f"openapi/{service}.json")["paths"].items()
    for method in item
]


@pytest.mark.parametrize("name", sorted(GENERATED.keys() | existing(ROOT)))
def test_committed_documents_are_what_the_code_generates(name: str):
    committed = (ROOT / name).read_text(encoding="utf-8") if (ROOT / name).exists() else "nothing"
    assert committed == GENERATED.get(name), f"contracts/{name} is stale: run make contracts and commit"


def test_generating_writes_every_document_and_removes_stale_ones(tmp_path: Path):
    obsolete = tmp_path / "schemas" / "EventoAntigo.json"
    obsolete.parent.mkdir()
    obsolete.write_text("{}")
    main(tmp_path)
    assert existing(tmp_path) == GENERATED.keys()
    assert (tmp_path / "asyncapi.yaml").read_text(encoding="utf-8") == GENERATED["asyncapi.yaml"]


def test_every_event_type_has_a_schema_and_an_example():
    def below(event_type: type[CloudEvent]) -> set[str]:
        return {child.__name__ for child in event_type.__subclasses__() if not child.__name__.startswith("_")}

    assert set(event_types()) == below(CloudEvent)
    assert set(examples()) == set(event_types())
    assert {f"schemas/{name}.json" for name in event_types()} <= GENERATED.keys()


@pytest.mark.parametrize("event_type", event_types())
def test_schemas_are_valid_described_and_open(event_type: str):
    json_schema = document(f"schemas/{event_type}.json")
    meta.validate(json_schema)
    assert json_schema["$id"].endswith(f"/{event_type}.json")
    objects = [json_schema, *(part for part in json_schema["$defs"].values() if part.get("type") == "object")]
    for member in objects:
        assert member["description"]
        assert "additionalProperties" not in member
        for name, field in member["properties"].items():
            assert name in {"type", "specversion"} or "$ref" in field or "description" in json.dumps(field), name


def test_openapi_documents_are_valid():
    # Run as a program: importing it takes most of a second in each process that collects tests.
    validator = Path(sys.executable).parent / "openapi-spec-validator"
    argv = [validator, "--schema", "3.1", *(ROOT / f"openapi/{service}.json" for service in SERVICES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("service", "path", "method"), OPERATIONS)
def test_operations_describe_every_response(service: str, path: str, method: str):
    operation = document(f"openapi/{service}.json")["paths"][path][method]
    assert operation["summary"]
    assert "Error" not in operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
        assert parameter["schema"].get("default") != ""
    assert {"500", "503"} <= operation["responses"].keys()
    for code, response in operation["responses"].items():
        assert response["description"]
        if code >= "400":
            [(media_type, content)] = response["content"].items()
            assert media_type == MEDIA_TYPE
            assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
            assert {each["value"]["status"] for each in content["examples"].values()} == {int(code)}
    assert "Retry-After" in operation["responses"]["503"]["headers"]
    assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


@pytest.mark.parametrize(("service", "path", "method"), OPERATIONS)
def test_operations_declare_how_callers_authenticate(service: str, path: str, method: str):
    operation = document(f"openapi/{service}.json")["paths"][path][method]
    stream = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    assert operation["security"] == [{"bearer": []}, *([{"bilhete": []}] if stream else [])]
    assert {"401", "403"} <= operation["responses"].keys()
    assert "bilhete" not in {parameter["name"] for parameter in operation.get("parameters", [])}


@pytest.mark.parametrize(
    "value",
    ["a", "a b", "x" * 128, '"a,b"', r'"\\"', r'"\""', '"' + "x" * 128 + '"', '"a', 'a"', '""a', "\\", "~!"],
)
def test_idempotency_keys_that_are_accepted_match_their_pattern(value: str):
    assert parse_key(value)
    assert re.search(KEY_PATTERN, value)


@pytest.mark.parametrize(
    "value", ["", '""', "a,b", '"a,b', "x" * 129, '"' + "x" * 129 + '"', "é", "a\tb", '"é"', '"a","b"', r'"\a,"']
)
def test_idempotency_keys_that_are_refused_do_not_match_their_pattern(value: str):
    with pytest.raises(InvalidKeyError):
        parse_key(value)
    assert not re.search(KEY_PATTERN, value)


def test_documents_describe_the_events_of_streams():
    paths = {**document("openapi/pedidos.json")["paths"], **document("openapi/estoque.json")["paths"]}
    samples = {
        "/pedidos/eventos": ("status", "741.12.3"),
        "/pedidos/{pedido_id}/eventos": ("status", "7"),
        "/estoque/eventos": ("encerrado", "741.12.3"),
    }
    for path, (name, identity) in samples.items():
        schema = paths[path]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
        event = {"event": name, "id": identity, "data": "{}"}
        Draft202012Validator(schema).validate(event)
        for wrong in ({"event": "other"}, {"id": "x"}, {"data": {}}):
            assert not Draft202012Validator(schema).is_valid(event | wrong)


def test_creating_an_order_documents_every_status_and_header():
    operation = document("openapi/pedidos.json")["paths"]["/pedidos"]["post"]
    assert " ".join(operation["responses"]) == "201 202 400 401 403 413 415 422 429 500 503"
    for code in ("201", "202"):
        assert list(operation["responses"][code]["headers"]) == ["Location", "Preference-Applied"]
    assert set(operation["responses"]["422"]["content"][MEDIA_TYPE]["examples"]) == {
        "chave-reutilizada",
        "conteudo-invalido",
    }
    assert {p["name"] for p in operation["parameters"]} >= {"Prefer", "Idempotency-Key", "traceparent"}
    body = operation["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"]["required"] == ["clienteId", "itens"]


def objects(json_schema: Any) -> list[dict[str, Any]]:
    if isinstance(json_schema, list):
        return [found for part in json_schema for found in objects(part)]
    if not isinstance(json_schema, dict):
        return []
    own = [json_schema] if json_schema.get("type") == "object" else []
    return own + [found for part in json_schema.values() for found in objects(part)]


@pytest.mark.parametrize(("service", "path", "method"), OPERATIONS)
def test_every_member_of_a_request_body_is_required(service: str, path: str, method: str):
    """Otherwise a duplicated member could be mistaken for an omitted one: see `may_repeat_members`."""
    body = document(f"openapi/{service}.json")["paths"][path][method].get("requestBody", {})
    assert method != "post" or objects(body)
    for member in objects(body):
        assert set(member["properties"]) == set(member["required"])


def resolve(reference: str) -> Any:
    """The target of a $ref in the AsyncAPI document. Raises KeyError when it does not exist."""
    file, _, pointer = reference.partition("#")
    target = document(file.removeprefix("./")) if file else ASYNCAPI
    for part in filter(None, pointer.split("/")):
        target = target[part.replace("~1", "/").replace("~0", "~")]
    return target


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for each in value.values() for ref in references(each)]
    return [ref for each in value for ref in references(each)] if isinstance(value, list) else []


def test_asyncapi_has_its_required_fields_and_every_reference_resolves():
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert ASYNCAPI["info"].keys() >= {"title", "version"}
    assert all(server.keys() >= {"host", "protocol"} for server in ASYNCAPI["servers"].values())
    found = references(ASYNCAPI)
    assert len(found) > 20
    for reference in found:
        assert resolve(reference), reference


def test_asyncapi_names_every_exchange_queue_and_dead_letter_queue():
    channels = ASYNCAPI["channels"]
    for queue in QUEUES:
        exchange = channels[queue.exchange]["bindings"]["amqp"]["exchange"]
        assert (exchange["name"], exchange["type"], exchange["durable"]) == (queue.exchange, "topic", True)
        assert channels[queue.exchange]["parameters"]["type"]["enum"] == list(queue.types)
        for name in (queue.name, queue.dead_letters):
            assert channels[name]["bindings"]["amqp"]["queue"]["name"] == name
        assert channels[queue.name]["x-arguments"] == queue.arguments
        assert list(channels[queue.name]["messages"]) == list(queue.types)
    assert len(channels) == 3 * len(QUEUES)


def test_asyncapi_operations_use_messages_of_their_own_channel():
    used = set()
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        used.add(channel)
        assert operation["messages"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])
    assert used == {f"#/channels/{name}" for name in ASYNCAPI["channels"]}
    assert {"pedidos.send", "estoque.receive", "estoque.send", "pedidos.receive"} <= ASYNCAPI["operations"].keys()


@pytest.mark.parametrize("event_type", event_types())
def test_asyncapi_messages_are_batches_and_their_examples_fit(event_type: str):
    message = ASYNCAPI["components"]["messages"][event_type]
    assert message["contentType"] == "application/cloudevents-batch+json"
    assert (message["payload"]["type"], message["payload"]["minItems"], message["payload"]["maxItems"]) == (
        "array",
        1,
        200,
    )
    json_schema = resolve(message["payload"]["items"]["$ref"])
    for example in message["examples"]:
        for event in example["payload"]:
            Draft202012Validator(json_schema).validate(event)
