"""The operator: stock rows follow StockItems, statuses follow stock rows, lapsed reservations are swept.

How a change flows: cluster/watch → memory/work_queue → loops/reconciler (one SQL call a batch, stock/sync) → decide
(pure) → cluster/status_writer. Beside it run loops/balances (changed balances → statuses), loops/resync (finds drift)
and stock/sweep. Imports go downwards only: loops, then cluster and stock, then memory, then decide.
"""
