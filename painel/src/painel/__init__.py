"""The panel: one live page with stock, orders and the state of the system."""
