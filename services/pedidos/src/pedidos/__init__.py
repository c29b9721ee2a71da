"""pedidos: takes orders, hands them to estoque through its outbox, and reports the outcome."""
