"""The AsyncAPI 3 document of the events: exchanges, queues, dead letters, and who sends and receives what."""

from importlib.metadata import version
from inspect import cleandoc
from typing import Any

from contratos.esquemas import tipos
from contratos.exemplos import exemplos
from reservaestoque.bus import QUEUES, Queue
from reservaestoque.bus.dead_letters import QUEUE_HEADER, REASON_HEADER
from reservaestoque.events.batch import CONTENT_TYPE, MAX_BYTES, MAX_EVENTS

BINDING = "0.3.0"  # of the AMQP bindings (asyncapi/bindings, amqp)
CARTA = "CartaMorta"
SOBRE = f"""\
What pedidos asks of estoque, and what estoque tells. A message is a JSON array of 1 to {MAX_EVENTS} CloudEvents 1.0
of one type, {MAX_BYTES} bytes at most. An event may come again, and in any order: commands are known by their id,
snapshots by their version. Unknown fields are accepted. Messages are persistent, confirmed, mandatory, and
acknowledged after the commit.
"""


def asyncapi() -> dict[str, Any]:
    """The document. Raises KeyError when an event type has no example."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:reservaestoque:eventos",
        "info": {
            "title": "ReservaEstoque",
            "version": version("reservaestoque"),
            "description": " ".join(SOBRE.split()),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": _servidor()},
        "channels": {nome: canal for fila in QUEUES for nome, canal in _canais(fila).items()},
        "operations": {nome: feito for fila in QUEUES for nome, feito in _operacoes(fila).items()},
        "components": {"messages": {**{tipo: _mensagem(tipo) for tipo in tipos()}, CARTA: _carta_morta()}},
    }


def _servidor() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ 3.10 or later; `AMQP_URL` says where, with user and virtual host.",
        "variables": {"host": {"default": "rabbitmq:5672"}},
    }


def _canais(fila: Queue) -> dict[str, Any]:
    """The exchange that feeds the queue, the queue, and its dead letters."""
    mensagens = {tipo: _ref("components", "messages", tipo) for tipo in fila.types}
    return {
        fila.exchange: {
            "address": "{tipo}",
            "title": f"Topic exchange {fila.exchange}",
            "description": "The routing key is the event's type.",
            "messages": mensagens,
            "parameters": {
                "tipo": {"enum": list(fila.types), "description": "The type of all events of the message."}
            },
            "bindings": {"amqp": {"is": "routingKey", "exchange": _troca(fila), "bindingVersion": BINDING}},
        },
        fila.name: {
            "address": fila.name,
            "title": f"Queue {fila.name}",
            "description": f"Bound to the exchange {fila.exchange} with each of these types.",
            "messages": mensagens,
            "bindings": _de_fila(fila.name),
            "x-arguments": fila.arguments,
        },
        fila.dead_letters: {
            "address": fila.dead_letters,
            "title": f"Dead letters of {fila.name}",
            "description": "Kept until a person decides; `python -m reservaestoque.dlq` shows and replays them.",
            "messages": {CARTA: _ref("components", "messages", CARTA)},
            "bindings": _de_fila(fila.dead_letters),
            "x-arguments": fila.dead_letter_arguments,
        },
    }


def _troca(fila: Queue) -> dict[str, Any]:
    return {"name": str(fila.exchange), "type": "topic", "durable": True, "autoDelete": False}


def _de_fila(nome: str) -> dict[str, Any]:
    fila = {"name": nome, "durable": True, "exclusive": False, "autoDelete": False}
    return {"amqp": {"is": "queue", "queue": fila, "bindingVersion": BINDING}}


def _operacoes(fila: Queue) -> dict[str, Any]:
    """Who publishes to the exchange (its namesake), who takes from the queue, and sets aside what it cannot use."""
    publica = {"deliveryMode": 2, "mandatory": True, "bindingVersion": BINDING}
    return {
        f"{fila.exchange}.envia": _operacao(
            "send",
            fila.exchange,
            fila.types,
            f"{fila.exchange} publishes from its outbox, and deletes there once the broker has confirmed.",
            publica,
        ),
        f"{fila.consumer}.recebe": _operacao(
            "receive",
            fila.name,
            fila.types,
            f"{fila.consumer} takes what waits, in batches, and acknowledges after its commit.",
            {"ack": True, "bindingVersion": BINDING},
        ),
        f"{fila.consumer}.separa": _operacao(
            "send",
            fila.dead_letters,
            (CARTA,),
            f"{fila.consumer} sets aside, alone and with the reason, an event that it cannot use.",
            publica,
        ),
    }


def _operacao(
    acao: str, canal: str, mensagens: tuple[str, ...], descricao: str, amqp: dict[str, Any]
) -> dict[str, Any]:
    return {
        "action": acao,
        "channel": _ref("channels", canal),
        "summary": descricao,
        "messages": [_ref("channels", canal, "messages", mensagem) for mensagem in mensagens],
        "bindings": {"amqp": amqp},
    }


def _mensagem(tipo: str) -> dict[str, Any]:
    return {
        "name": tipo,
        "title": tipo,
        "summary": cleandoc(tipos()[tipo].__doc__ or ""),
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_EVENTS,
            "items": {"$ref": f"./schemas/{tipo}.json"},
        },
        "bindings": {"amqp": {"messageType": tipo, "bindingVersion": BINDING}},
        "examples": [{"name": tipo, "summary": "A batch of one.", "payload": exemplos()[tipo]}],
        "x-max-bytes": MAX_BYTES,
    }


def _carta_morta() -> dict[str, Any]:
    cabecalhos = {
        REASON_HEADER: "Why it was set aside, a sentence. Absent where RabbitMQ did it: `x-death` says why then.",
        QUEUE_HEADER: "The queue that it came from.",
    }
    return {
        "name": CARTA,
        "title": "A dead letter",
        "summary": "An event as it came, alone in an array; a whole message where it is no array of events.",
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {nome: {"type": "string", "description": texto} for nome, texto in cabecalhos.items()},
        },
        "payload": {"description": "Whatever arrived, byte for byte."},
    }


def _ref(*caminho: str) -> dict[str, str]:
    partes = (parte.replace("~", "~0").replace("/", "~1") for parte in caminho)
    return {"$ref": f"#/{'/'.join(partes)}"}
