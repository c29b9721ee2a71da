"""Benchmarks: start a separate local system, drive it through the gateway, and compare it with the baseline."""
