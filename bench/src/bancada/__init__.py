"""The bench: starts a local system of its own, drives it through the gateway, and measures beside the baseline."""
