"""What the operator decides, as pure functions: the clock and the data are arguments."""
