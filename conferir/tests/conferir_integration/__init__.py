"""Tests on real databases. A package, so that the folder conferir/ does not shadow the package of that name."""
