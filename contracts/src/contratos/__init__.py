"""The contracts as documents, generated from the code's own types: nothing in them is written by hand."""

from contratos.documentos import documentos

__all__ = ["documentos"]
