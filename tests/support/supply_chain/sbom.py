"""A CycloneDX document for each image: its program, its packages and their dependencies.

The base image is one component, by its tag in the Dockerfile; a scanner of the finished image lists its contents.
"""

import re
from importlib import metadata

from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply_chain.licenses import license_of
from supply_chain.pinned import IMAGES, ROOT, Pin, pins


def document(program: str, version: str) -> str:
    """The JSON for a program's image. Raises KeyError for a program without an image."""
    bom = Bom()
    bom.metadata.tools.components.add(this_component())
    image = Component(
        name=f"reservaestoque/{program}",
        version=version,
        type=ComponentType.CONTAINER,
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
        purl=PackageURL("oci", None, program, version),
        bom_ref=f"reservaestoque/{program}",
    )
    bom.metadata.component = image
    packages = {pin.name: _component(pin) for pin in pins(*IMAGES[program])}
    base = _base_image()
    for component in (base, *packages.values()):
        bom.components.add(component)
    needed: set[str] = set()
    for name, component in packages.items():
        others = [other for other in _needs(name) if other in packages]
        needed.update(others)
        bom.register_dependency(component, [packages[other] for other in others])
    bom.register_dependency(image, [base, *(packages[name] for name in packages.keys() - needed)])
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def _component(pin: Pin) -> Component:
    """It has the file's hash if only one file can be installed; otherwise the file depends on the platform."""
    expression = license_of(pin.name)
    alone = [HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.hashes] if len(pin.hashes) == 1 else []
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        licenses=[LicenseExpression(expression)] if expression else [],
        purl=PackageURL("pypi", None, pin.name, pin.version),
        hashes=alone,
        bom_ref=f"{pin.name}=={pin.version}",
    )


def _base_image() -> Component:
    dockerfile = (ROOT / "Dockerfile").read_text()
    name, _, tag = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", dockerfile, re.M)[0].partition(":")
    return Component(name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=f"{name}:{tag}")


def _needs(package: str) -> list[str]:
    """The names of its requirements on this platform, without optional extras."""
    stated = [Requirement(text) for text in metadata.requires(package) or []]
    return [canonicalize_name(one.name) for one in stated if not one.marker or one.marker.evaluate({"extra": ""})]
