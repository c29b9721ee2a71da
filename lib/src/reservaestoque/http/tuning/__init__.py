"""Parts of Litestar and uvicorn replaced for their cost alone, one per module: what each saves, and when it can go.

Nothing here changes what clients see: the contract is in the modules beside this package.
"""
