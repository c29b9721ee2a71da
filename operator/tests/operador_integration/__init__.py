"""A package, with a name of its own: pytest would otherwise call these modules `operator.tests…` and so put this
folder in the place of Python's own `operator`."""
