"""`make fuzz`: requests and messages that nobody has thought of, against a real local system."""
