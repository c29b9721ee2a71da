"""`make fuzz`: generated requests and garbage messages, against a real local system."""
