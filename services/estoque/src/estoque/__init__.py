"""estoque: the only authority on stock. Reserves all items of an order or none, and reports the outcome."""
