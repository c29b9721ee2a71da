"""A command-line tool for dead letters: list without consuming, replay, discard.

``python -m reservaestoque.dlq`` in any pod of pedidos or estoque; AMQP_URL is the broker's address.
"""
