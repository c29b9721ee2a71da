"""The operator: stock as StockItems declare it, status as PostgreSQL knows it, reservations ended in time.

How a change flows: observador (kopf's watch) → fila (what waits) → reconciliador (one SQL call a batch) → decisao
and condicoes (pure) → escritor (status and Events). Beside it run saldos (balances → status), ressincronia
(finds drift) and expiracao (sweeps lapsed reservations).
"""
