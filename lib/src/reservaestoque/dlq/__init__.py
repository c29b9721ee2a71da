"""Dead letters in the hands of a person: shown without being taken, replayed, discarded.

``python -m reservaestoque.dlq`` in any pod of pedidos or estoque; AMQP_URL says where the broker is.
"""
