"""The packages that a compiled requirements file pins."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "requirements"
IMAGES = {
    "pedidos": ("pedidos.txt", "dbmate.txt"),
    "estoque": ("estoque.txt", "dbmate.txt"),
    "operator": ("operator.txt",),
    "conferir": ("conferir.txt",),
    "painel": ("painel.txt",),
}
"""The requirements that the Dockerfile installs for each program."""
TOOLS = ("build.txt", "local.txt", "bench.txt", "dev.txt")
"""Requirements of developers' machines, not distributed; Barman's tests have a separate environment."""

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Pin(NamedTuple):
    """One version of a package, and the SHA-256 of each file that may be installed for it."""

    name: str
    version: str
    hashes: tuple[str, ...]


def pins(*files: str) -> list[Pin]:
    """The pins of these files that apply to this platform, by name. Raises ValueError for anything but a pin."""
    found = {pin.name: pin for file in files for pin in _pins((FOLDER / file).read_text())}
    return [found[name] for name in sorted(found)]


def _pins(text: str) -> Iterator[Pin]:
    for line in text.replace("\\\n", " ").splitlines():
        stated = re.sub(r"(^|\s)#.*", "", line).strip()
        if not stated:
            continue
        requirement = Requirement(stated.partition(" --hash")[0])
        [specifier] = requirement.specifier
        if specifier.operator != "==":
            raise ValueError(f"{requirement} is not pinned")
        if requirement.marker is None or requirement.marker.evaluate():
            yield Pin(canonicalize_name(requirement.name), specifier.version, tuple(_HASH.findall(line)))
