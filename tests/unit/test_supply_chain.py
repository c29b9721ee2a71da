"""`make audit`, `make sbom`, and the workflows that build and sign a release."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import libyaml
import pytest
from cyclonedx.schema import SchemaVersion
from supply_chain import licenses, sbom
from supply_chain.__main__ import UNREACHABLE, is_unreachable, judged, refused_licenses
from supply_chain.pinned import IMAGES, ROOT, TOOLS, pins

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


# The contents of an image


@pytest.fixture(scope="module", params=list(IMAGES))
def document(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param, sbom.document(request.param, "1.2.3")


def test_the_sbom_is_valid(document: tuple[str, str]):
    # Importing it takes half a second, which each process would spend that collects tests.
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document[1]) is None


def test_the_sbom_lists_every_pinned_package_with_its_licence(document: tuple[str, str]):
    program, text = document
    listed = {c["name"]: c for c in json.loads(text)["components"] if c["type"] == "library"}
    assert {(name, c["version"]) for name, c in listed.items()} == {
        (p.name, p.version) for p in pins(*IMAGES[program])
    }
    assert all(component["licenses"] for component in listed.values())


def test_everything_in_the_sbom_is_needed_by_the_image(document: tuple[str, str]):
    bom = json.loads(document[1])
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bom["dependencies"]}
    reached, new = set(), {bom["metadata"]["component"]["bom-ref"]}
    while new:
        reached |= new
        new = {other for one in new for other in needs[one]} - reached
    assert reached == {c["bom-ref"] for c in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}


def test_the_sbom_lists_what_the_dockerfile_installs():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert 'install --require-hashes --no-deps -r "requirements/${PROGRAM}.txt" ${dbmate:-}' in dockerfile
    assert 'pedidos | estoque) dbmate="-r requirements/dbmate.txt"' in dockerfile
    assert "for program in pedidos estoque operator conferir painel;" in (ROOT / "Makefile").read_text()
    assert list(IMAGES) == ["pedidos", "estoque", "operator", "conferir", "painel"]


# Accepted licences


def test_all_licences_are_known_and_accepted():
    assert refused_licenses() == []
    for files in (*IMAGES.values(), TOOLS):
        for pin in pins(*files):
            assert pin.hashes, pin.name


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND Apache-2.0", True),
        ("(MIT AND BSD-3-Clause) OR AGPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("SSPL-1.0", False),
        ("LGPL-3.0-only", False),
        ("LicenseRef-Proprietary", False),
        ("mine", False),
        ("MIT OR", False),
        (None, False),
    ],
)
def test_an_expression_is_accepted_if_it_can_be_satisfied(expression: str | None, accepted: bool):
    assert licenses.accepted(expression, licenses.DISTRIBUTED) == accepted


def test_a_licence_is_unknown_if_the_metadata_is_ambiguous(monkeypatch: pytest.MonkeyPatch):
    def about(**fields: Any) -> None:
        metadata = {"License-Expression": None, "License": None, **fields}

        class Metadata(dict[str, Any]):
            def get_all(self, name: str) -> list[str] | None:
                found: list[str] | None = self.get(name)
                return found

        monkeypatch.setattr(licenses.metadata, "metadata", lambda _: Metadata(metadata))

    about(Classifier=["License :: OSI Approved :: BSD License"])
    assert licenses.license_of("some") is None
    about(License="UNKNOWN", Classifier=["License :: OSI Approved :: MIT License"])
    assert licenses.license_of("some") == "MIT"
    for text in ("Copyright me", "Copyright © 2025, me.", "MIT AND"):
        about(License=text, Classifier=[])
        assert licenses.license_of("some") is None
    about(License="GNU GPLv3", Classifier=["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"])
    assert licenses.license_of("some") is None


# Known vulnerabilities

FLAW = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
CLEAN: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("reports", "lines", "code"),
    [
        ([CLEAN], ["vulnerabilities: none known"], 0),
        ([{**CLEAN, "vulns": [FLAW]}], ["vulnerabilities: a 1: PYSEC-1 (fixed in 2.0)"], 1),
        ([CLEAN, SKIPPED], ["vulnerabilities: 1 of 2 packages were not checked: b"], 2),
        ([SKIPPED], [f"vulnerabilities: {UNREACHABLE}"], 2),
    ],
    ids=["no findings", "a vulnerability", "an unchecked package", "only unchecked packages"],
)
def test_an_audit_with_unchecked_packages_is_not_a_success(
    reports: list[dict[str, Any]], lines: list[str], code: int
):
    assert judged(reports) == (lines, code)


def test_an_unreachable_service_is_reported():
    assert is_unreachable("ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed")
    assert not is_unreachable("ERROR:pip_audit._cli:invalid requirements")


def test_offline_only_licences_are_checked():
    argv = [sys.executable, "-m", "supply_chain", "audit", "--offline"]
    done = subprocess.run(argv, cwd=ROOT / "tests/support", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "licences: all accepted\nvulnerabilities: not checked (--offline)\n")


# Workflows


def _tool(name: str) -> Path:
    return Path(sys.executable).parent / name


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.dependabot", [ROOT / ".github/dependabot.yml"])],
)
def test_workflows_are_valid(schema: str, files: list[Path]):
    assert files
    argv = [_tool("check-jsonschema"), "--builtin-schema", schema, *files]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_have_no_known_weakness():
    """Permissions, injected expressions, persisted credentials, actions that are not pinned."""
    config = ROOT / ".github/zizmor.yml"
    argv = [_tool("zizmor"), "--offline", "--no-progress", f"--config={config}", ROOT / ".github"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_commit_that_pins_an_action_names_its_release():
    for line in "".join(file.read_text() for file in WORKFLOWS).splitlines():
        if uses := re.search(r"uses: (\S+)@(\S+)(.*)", line):
            pinned = re.fullmatch("[0-9a-f]{40}", uses[2])
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", uses[3]) if pinned else re.fullmatch(r"v\d+", uses[2]), line


def test_the_targets_that_workflows_make_exist():
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.M))
    made = re.findall(r"\bmake ([a-z0-9]+)", "".join(file.read_text() for file in WORKFLOWS))
    assert {"test", "audit", "sbom"} <= set(made) <= targets


def test_a_release_signs_every_image_and_both_charts():
    release = libyaml.load((ROOT / ".github/workflows/release.yml").read_text())
    assert release["jobs"]["images"]["strategy"]["matrix"]["program"] == list(IMAGES)
    steps = {name: "\n".join(s.get("run", "") for s in job["steps"]) for name, job in release["jobs"].items()}
    assert "cosign sign --yes" in steps["images"]
    assert "cosign attest --yes --type cyclonedx" in steps["images"]
    assert "for chart in data-stores reserva-estoque" in steps["charts"]
    assert "cosign sign --yes" in steps["charts"]
