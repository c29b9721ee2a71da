"""The operator's decisions, as pure functions: the clock and the data are arguments."""
