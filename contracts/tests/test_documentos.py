"""The committed documents are what the code generates now, and what the standards call valid."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from contratos import documentos
from contratos.__main__ import main
from contratos.documentos import RAIZ, existentes
from contratos.esquemas import tipos
from contratos.exemplos import exemplos
from contratos.openapi import SERVICOS
from reservaestoque.bus import QUEUES
from reservaestoque.events import CloudEvent
from reservaestoque.http.problems import MEDIA_TYPE

GERADOS = documentos()


def documento(nome: str) -> Any:
    texto = GERADOS[nome]
    return yaml.safe_load(texto) if nome.endswith(".yaml") else json.loads(texto)


ASYNCAPI = documento("asyncapi.yaml")
OPERACOES = [
    pytest.param(servico, caminho, metodo, id=f"{metodo} {caminho}")
    for servico in SERVICOS
    for caminho, item in documento(f"openapi/{servico}.json")["paths"].items()
    for metodo in item
]


@pytest.mark.parametrize("nome", sorted(GERADOS.keys() | existentes(RAIZ)))
def test_committed_documents_are_what_the_code_generates(nome: str):
    ha = (RAIZ / nome).read_text(encoding="utf-8") if (RAIZ / nome).exists() else "nothing"
    assert ha == GERADOS.get(nome), f"contracts/{nome} is not what the code says: run make contracts and commit"


def test_what_is_written_is_complete_and_what_is_no_more_is_removed(tmp_path: Path):
    velho = tmp_path / "schemas" / "EventoAntigo.json"
    velho.parent.mkdir()
    velho.write_text("{}")
    main(tmp_path)
    assert existentes(tmp_path) == GERADOS.keys()
    assert (tmp_path / "asyncapi.yaml").read_text(encoding="utf-8") == GERADOS["asyncapi.yaml"]


def test_every_event_type_has_a_schema_and_an_example():
    def abaixo(tipo: type[CloudEvent]) -> set[str]:
        return {filho.__name__ for filho in tipo.__subclasses__() if not filho.__name__.startswith("_")}

    assert set(tipos()) == abaixo(CloudEvent)
    assert set(exemplos()) == set(tipos())
    assert {f"schemas/{nome}.json" for nome in tipos()} <= GERADOS.keys()


@pytest.mark.parametrize("tipo", tipos())
def test_schemas_are_valid_described_and_open(tipo: str):
    esquema = documento(f"schemas/{tipo}.json")
    Draft202012Validator.check_schema(esquema)
    assert esquema["$id"].endswith(f"/{tipo}.json")
    objetos = [esquema, *(parte for parte in esquema["$defs"].values() if parte.get("type") == "object")]
    for objeto in objetos:
        assert objeto["description"]
        assert "additionalProperties" not in objeto
        for nome, campo in objeto["properties"].items():
            assert nome in {"type", "specversion"} or "$ref" in campo or "description" in json.dumps(campo), nome


@pytest.mark.parametrize("servico", SERVICOS)
def test_openapi_documents_are_valid(servico: str):
    OpenAPIV31SpecValidator(documento(f"openapi/{servico}.json")).validate()


@pytest.mark.parametrize(("servico", "caminho", "metodo"), OPERACOES)
def test_operations_are_described_with_all_that_they_answer(servico: str, caminho: str, metodo: str):
    operacao = documento(f"openapi/{servico}.json")["paths"][caminho][metodo]
    assert operacao["summary"]
    assert "Error" not in operacao["description"]
    for parametro in operacao.get("parameters", []):
        assert parametro["description"], parametro["name"]
        assert parametro["schema"].get("default") != ""
    assert {"500", "503"} <= operacao["responses"].keys()
    for codigo, resposta in operacao["responses"].items():
        assert resposta["description"]
        if codigo >= "400":
            [(tipo, conteudo)] = resposta["content"].items()
            assert tipo == MEDIA_TYPE
            assert conteudo["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
            assert {um["value"]["status"] for um in conteudo["examples"].values()} == {int(codigo)}
    assert "Retry-After" in operacao["responses"]["503"]["headers"]


def test_an_order_may_be_answered_in_all_these_ways():
    operacao = documento("openapi/pedidos.json")["paths"]["/pedidos"]["post"]
    assert list(operacao["responses"]) == ["201", "202", "400", "413", "415", "422", "500", "503"]
    for codigo in ("201", "202"):
        assert list(operacao["responses"][codigo]["headers"]) == ["Location", "Preference-Applied"]
    assert set(operacao["responses"]["422"]["content"][MEDIA_TYPE]["examples"]) == {
        "chave-reutilizada",
        "conteudo-invalido",
    }
    assert {p["name"] for p in operacao["parameters"]} >= {"Prefer", "Idempotency-Key", "traceparent"}
    corpo = operacao["requestBody"]
    assert corpo["required"]
    assert corpo["content"]["application/json"]["schema"]["required"] == ["clienteId", "itens"]


def objetos(esquema: Any) -> list[dict[str, Any]]:
    if isinstance(esquema, list):
        return [achado for parte in esquema for achado in objetos(parte)]
    if not isinstance(esquema, dict):
        return []
    proprio = [esquema] if esquema.get("type") == "object" else []
    return proprio + [achado for parte in esquema.values() for achado in objetos(parte)]


@pytest.mark.parametrize(("servico", "caminho", "metodo"), OPERACOES)
def test_every_member_of_a_request_body_is_required(servico: str, caminho: str, metodo: str):
    """Or a member that is there twice could pass for one that is left out: see `may_repeat_members`."""
    corpo = documento(f"openapi/{servico}.json")["paths"][caminho][metodo].get("requestBody", {})
    assert metodo != "post" or objetos(corpo)
    for objeto in objetos(corpo):
        assert set(objeto["properties"]) == set(objeto["required"])


def resolver(referencia: str) -> Any:
    """What a $ref of the AsyncAPI document points to. Raises KeyError when nothing is there."""
    arquivo, _, ponteiro = referencia.partition("#")
    alvo = documento(arquivo.removeprefix("./")) if arquivo else ASYNCAPI
    for parte in filter(None, ponteiro.split("/")):
        alvo = alvo[parte.replace("~1", "/").replace("~0", "~")]
    return alvo


def referencias(valor: Any) -> list[str]:
    if isinstance(valor, dict):
        proprias = [valor["$ref"]] if "$ref" in valor else []
        return proprias + [ref for um in valor.values() for ref in referencias(um)]
    return [ref for um in valor for ref in referencias(um)] if isinstance(valor, list) else []


def test_asyncapi_has_what_version_3_demands_and_every_reference_leads_somewhere():
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert ASYNCAPI["info"].keys() >= {"title", "version"}
    assert all(servidor.keys() >= {"host", "protocol"} for servidor in ASYNCAPI["servers"].values())
    todas = referencias(ASYNCAPI)
    assert len(todas) > 20
    for uma in todas:
        assert resolver(uma), uma


def test_asyncapi_names_every_exchange_queue_and_dead_letter_queue():
    canais = ASYNCAPI["channels"]
    for fila in QUEUES:
        troca = canais[fila.exchange]["bindings"]["amqp"]["exchange"]
        assert (troca["name"], troca["type"], troca["durable"]) == (fila.exchange, "topic", True)
        assert canais[fila.exchange]["parameters"]["tipo"]["enum"] == list(fila.types)
        for nome in (fila.name, fila.dead_letters):
            assert canais[nome]["bindings"]["amqp"]["queue"]["name"] == nome
        assert canais[fila.name]["x-arguments"] == fila.arguments
        assert list(canais[fila.name]["messages"]) == list(fila.types)
    assert len(canais) == 3 * len(QUEUES)


def test_asyncapi_operations_use_messages_of_their_own_channel():
    usados = set()
    for operacao in ASYNCAPI["operations"].values():
        assert operacao["action"] in {"send", "receive"}
        canal = operacao["channel"]["$ref"]
        usados.add(canal)
        assert operacao["messages"]
        assert all(um["$ref"].startswith(f"{canal}/messages/") for um in operacao["messages"])
    assert usados == {f"#/channels/{nome}" for nome in ASYNCAPI["channels"]}
    assert {"pedidos.envia", "estoque.recebe", "estoque.envia", "pedidos.recebe"} <= ASYNCAPI["operations"].keys()


@pytest.mark.parametrize("tipo", tipos())
def test_asyncapi_messages_are_batches_and_their_examples_fit(tipo: str):
    mensagem = ASYNCAPI["components"]["messages"][tipo]
    assert mensagem["contentType"] == "application/cloudevents-batch+json"
    assert (mensagem["payload"]["type"], mensagem["payload"]["minItems"], mensagem["payload"]["maxItems"]) == (
        "array",
        1,
        200,
    )
    esquema = resolver(mensagem["payload"]["items"]["$ref"])
    for exemplo in mensagem["examples"]:
        for evento in exemplo["payload"]:
            Draft202012Validator(esquema).validate(evento)
