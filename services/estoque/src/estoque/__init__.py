"""estoque: the only authority on stock. Reserves all items of an order or none, and tells what became of it."""
