"""Replacements for parts of Litestar and uvicorn, only to save CPU.

Each module states how much it saves, and when it can be removed.
Nothing here changes what clients see: the contract is in the modules beside this package.
"""
