"""Generates the contract documents entirely from the types in the code."""

from contracts.documents import generate

__all__ = ["generate"]
