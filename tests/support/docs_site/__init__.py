"""The documentation site: the Markdown of the repository, pages generated from the code, and Sphinx.

`staging` says where a document goes and rewrites its links, `generated` lists the generated pages, `build` runs
Sphinx.
"""
