"""Proves on a running system that nothing was oversold or lost: once, or all the time, by reading both databases."""
