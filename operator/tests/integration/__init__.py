"""A package, because pytest would otherwise import these as `operator.tests…`, hiding Python's own `operator`."""
