"""A package, since pytest would otherwise import these as `operator.tests…`, which hides Python's own `operator`."""
