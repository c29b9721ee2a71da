"""Dead letters for an operator at the keyboard: list without taking, replay, discard.

``python -m reservaestoque.dlq`` in any pod of pedidos or estoque; AMQP_URL is the broker's address.
"""
