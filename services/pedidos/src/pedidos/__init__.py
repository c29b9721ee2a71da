"""pedidos: takes orders, hands them to estoque through its outbox, and tells what became of them."""
