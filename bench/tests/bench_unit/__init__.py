"""Unit tests. A package, so that the folder bench/ does not shadow the package of that name."""
