"""Replacements for parts of Litestar and uvicorn, only to save CPU; each module says how much, and when it can go.

Nothing here changes what clients see: the contract is in the modules beside this package.
"""
