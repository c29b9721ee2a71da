"""RabbitMQ: the topology, a publisher with confirms, a consumer that loses no message."""

from reservaestoque.bus.batches import Batches, Handler, Unprocessable
from reservaestoque.bus.consumer import BatchConsumer
from reservaestoque.bus.publisher import NotPublishedError, Publisher
from reservaestoque.bus.topology import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, QUEUES, Exchange, Queue
from reservaestoque.bus.traced import sending

__all__ = [
    "ESTOQUE_PEDIDOS",
    "PEDIDOS_STATUS",
    "QUEUES",
    "BatchConsumer",
    "Batches",
    "Exchange",
    "Handler",
    "NotPublishedError",
    "Publisher",
    "Queue",
    "Unprocessable",
    "sending",
]
