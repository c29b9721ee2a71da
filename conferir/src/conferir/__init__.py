"""The auditor: proves on a running system, by reading both databases, that nothing was oversold or lost."""
