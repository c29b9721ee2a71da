"""Tests on a real system. A package, so that the folder bench/ does not shadow the package of that name."""
