"""The licences of the packages, and the accepted ones. An unknown licence is not accepted."""

from importlib import metadata

from license_expression import AND, OR, LicenseSymbol, get_spdx_licensing
from license_expression import ExpressionError as _ExpressionError

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
DISTRIBUTED = PERMISSIVE | {"MPL-2.0"}
"""Accepted in images. MPL-2.0 imposes no obligations for unchanged files (certifi)."""
RUN = DISTRIBUTED | {"LicenseRef-Repoze", "LicenseRef-Public-Domain"}
"""Accepted for tools, which are run but not distributed."""

REVIEWED = {
    "alabaster": "BSD-3-Clause",
    "axe-playwright-python": "MIT AND MPL-2.0",  # its own licence, and that of the axe-core in it
    # The wheel lacks the one file under the GPL, an editor mode for Emacs.
    "docutils": "LicenseRef-Public-Domain AND BSD-2-Clause AND BSD-3-Clause",
    "httpx-aiohttp": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "sphinxcontrib-applehelp": "BSD-2-Clause",
    "sphinxcontrib-devhelp": "BSD-2-Clause",
    "sphinxcontrib-htmlhelp": "BSD-2-Clause",
    "sphinxcontrib-jsmath": "BSD-2-Clause",
    "sphinxcontrib-qthelp": "BSD-2-Clause",
    "sphinxcontrib-serializinghtml": "BSD-2-Clause",
    "supervisor": "LicenseRef-Repoze",  # BSD-3-Clause, with a clause about trademarks and one about marking changes
}
"""Licences of packages without an expression in their metadata, reviewed by hand."""

_NAMES = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "mit license": "MIT",
}
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
"""`BSD License` is missing because it is ambiguous."""
_spdx = get_spdx_licensing()


def license_of(package: str) -> str | None:
    """The SPDX expression of an installed package; None if its metadata has none.

    Raises importlib.metadata.PackageNotFoundError.
    """
    about = metadata.metadata(package)
    expression = REVIEWED.get(package) or about.get("License-Expression")
    return expression or _by_name(about.get("License") or "") or _by_classifiers(about.get_all("Classifier") or [])


def _by_name(name: str) -> str | None:
    first = name.strip().partition("\n")[0].strip()
    known = _NAMES.get(first.lower(), first)
    return known if known != "UNKNOWN" and _is_expression(known) else None


def _is_expression(text: str) -> bool:
    """Whether this is an SPDX expression of known licences."""
    try:
        return _spdx.parse(text, validate=True, strict=True) is not None
    except _ExpressionError:
        return False


def _by_classifiers(classifiers: list[str]) -> str | None:
    """Several classifiers may mean a choice, but that is not certain, so all must be acceptable."""
    found = sorted({_CLASSIFIERS.get(one, "unknown") for one in classifiers if one.startswith("License ::")})
    return " AND ".join(found) if found and "unknown" not in found else None


def accepted(expression: str | None, allowed: frozenset[str]) -> bool:
    """Whether an SPDX expression can be satisfied with these licences."""
    if expression is None:
        return False
    if expression in allowed:
        return True
    try:
        return _satisfied(_spdx.parse(expression), allowed)
    except _ExpressionError:
        return False


def _satisfied(node: object, allowed: frozenset[str]) -> bool:
    if isinstance(node, AND):
        return all(_satisfied(part, allowed) for part in node.args)
    if isinstance(node, OR):
        return any(_satisfied(part, allowed) for part in node.args)
    return isinstance(node, LicenseSymbol) and node.key in allowed
