"""A package, so that the folder contracts/ does not shadow the package of that name."""
