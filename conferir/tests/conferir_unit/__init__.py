"""Tests of the pure parts. A package, so that the folder conferir/ does not shadow the package of that name."""
