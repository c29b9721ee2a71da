"""A flash sale to watch (`make demo`)."""
