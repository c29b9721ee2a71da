"""Generates the contract documents from the code's own types: nothing in them is written by hand."""

from contracts.documents import generate

__all__ = ["generate"]
