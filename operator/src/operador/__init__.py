"""The operator: it makes stock rows match StockItems and statuses match stock rows, and sweeps lapsed reservations.

How a change flows: cluster/watch → memory/work_queue → loops/reconciler (one SQL call per batch, stock/sync) → decide
(pure) → cluster/status_writer. Beside it run loops/balances (changed balances → statuses), loops/resync (finds drift)
and stock/sweep. Imports go downwards only: loops, then cluster and stock, then memory, then decide.
"""
