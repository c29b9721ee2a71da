"""The AsyncAPI 3 document of the events: exchanges, queues, dead letters, senders and receivers."""

from importlib.metadata import version
from inspect import cleandoc
from typing import Any

from contracts.examples import examples
from contracts.schemas import event_types
from reservaestoque.bus import QUEUES, Queue
from reservaestoque.bus.dead_letters import QUEUE_HEADER, REASON_HEADER
from reservaestoque.bus.queue_time import PUBLISHED_HEADER
from reservaestoque.events.batch import CONTENT_TYPE, MAX_BYTES, MAX_EVENTS

BINDING = "0.3.0"  # of the AMQP bindings (asyncapi/bindings, amqp)
DEAD_LETTER = "DeadLetter"
ABOUT = f"""\
The commands that pedidos sends to estoque and the status snapshots that estoque sends back. A message is a JSON array
of 1 to {MAX_EVENTS} CloudEvents 1.0 of one type, at most {MAX_BYTES} bytes. Delivery is at least once and unordered:
consumers deduplicate commands by id and order snapshots by version. Unknown fields are accepted. Messages are
persistent, published with confirms and the mandatory flag, and acknowledged after the commit.
"""


def asyncapi() -> dict[str, Any]:
    """The document. Raises KeyError when an event type has no example."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:reservaestoque:eventos",
        "info": {
            "title": "ReservaEstoque",
            "version": version("reservaestoque"),
            "description": " ".join(ABOUT.split()),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": _server()},
        "channels": {name: channel for queue in QUEUES for name, channel in _channels(queue).items()},
        "operations": {name: operation for queue in QUEUES for name, operation in _operations(queue).items()},
        "components": {
            "messages": {
                **{event_type: _message(event_type) for event_type in event_types()},
                DEAD_LETTER: _dead_letter(),
            }
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ 3.10 or later; `AMQP_URL` names the host, user and virtual host.",
        "variables": {"host": {"default": "rabbitmq:5672"}},
    }


def _channels(queue: Queue) -> dict[str, Any]:
    """The exchange that feeds the queue, the queue, and its dead letters."""
    messages = {event_type: _ref("components", "messages", event_type) for event_type in queue.types}
    return {
        queue.exchange: {
            "address": "{type}",
            "title": f"Topic exchange {queue.exchange}",
            "description": "The routing key is the event's type.",
            "messages": messages,
            "parameters": {
                "type": {"enum": list(queue.types), "description": "The type that all events in the message share."}
            },
            "bindings": {"amqp": {"is": "routingKey", "exchange": _exchange(queue), "bindingVersion": BINDING}},
        },
        queue.name: {
            "address": queue.name,
            "title": f"Queue {queue.name}",
            "description": f"Bound to the exchange {queue.exchange} with one routing key per type.",
            "messages": messages,
            "bindings": _queue_binding(queue.name),
            "x-arguments": queue.arguments,
        },
        queue.dead_letters: {
            "address": queue.dead_letters,
            "title": f"Dead letters of {queue.name}",
            "description": "Kept until a person decides; `python -m reservaestoque.dlq` shows and replays them.",
            "messages": {DEAD_LETTER: _ref("components", "messages", DEAD_LETTER)},
            "bindings": _queue_binding(queue.dead_letters),
            "x-arguments": queue.dead_letter_arguments,
        },
    }


def _exchange(queue: Queue) -> dict[str, Any]:
    return {"name": str(queue.exchange), "type": "topic", "durable": True, "autoDelete": False}


def _queue_binding(name: str) -> dict[str, Any]:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {"amqp": {"is": "queue", "queue": queue, "bindingVersion": BINDING}}


def _operations(queue: Queue) -> dict[str, Any]:
    """The publisher (the exchange's namesake), the consumer, and the consumer's dead-lettering."""
    publishing = {"deliveryMode": 2, "mandatory": True, "bindingVersion": BINDING}
    return {
        f"{queue.exchange}.send": _operation(
            "send",
            queue.exchange,
            queue.types,
            f"{queue.exchange} publishes from its outbox and deletes the rows once the broker confirms.",
            publishing,
        ),
        f"{queue.consumer}.receive": _operation(
            "receive",
            queue.name,
            queue.types,
            f"{queue.consumer} consumes in batches and acknowledges after its commit.",
            {"ack": True, "bindingVersion": BINDING},
        ),
        f"{queue.consumer}.dead_letter": _operation(
            "send",
            queue.dead_letters,
            (DEAD_LETTER,),
            f"{queue.consumer} dead-letters an event that it cannot process, alone and with the reason.",
            publishing,
        ),
    }


def _operation(
    action: str, channel: str, messages: tuple[str, ...], summary: str, amqp: dict[str, Any]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _ref("channels", channel),
        "summary": summary,
        "messages": [_ref("channels", channel, "messages", message) for message in messages],
        "bindings": {"amqp": amqp},
    }


def _message(event_type: str) -> dict[str, Any]:
    return {
        "name": event_type,
        "title": event_type,
        "summary": cleandoc(event_types()[event_type].__doc__ or ""),
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_EVENTS,
            "items": {"$ref": f"./schemas/{event_type}.json"},
        },
        "headers": {
            "type": "object",
            "properties": {
                PUBLISHED_HEADER: {
                    "type": "integer",
                    "description": "The time of publication, in milliseconds since the epoch.",
                }
            },
        },
        "bindings": {"amqp": {"messageType": event_type, "bindingVersion": BINDING}},
        "examples": [{"name": event_type, "summary": "A batch of one.", "payload": examples()[event_type]}],
        "x-max-bytes": MAX_BYTES,
    }


def _dead_letter() -> dict[str, Any]:
    headers = {
        REASON_HEADER: "The consumer's reason for rejection. Absent when RabbitMQ dead-lettered it: see `x-death`.",
        QUEUE_HEADER: "The queue it was consumed from.",
    }
    return {
        "name": DEAD_LETTER,
        "title": "A dead letter",
        "summary": "An event as received, alone in an array; the whole message if it is not an array of events.",
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in headers.items()},
        },
        "payload": {"description": "The received bytes, unchanged."},
    }


def _ref(*path: str) -> dict[str, str]:
    parts = (part.replace("~", "~0").replace("/", "~1") for part in path)
    return {"$ref": f"#/{'/'.join(parts)}"}
