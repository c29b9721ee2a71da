"""`make audit` and `make sbom`: `python -m supply_chain audit|sbom FOLDER`."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from supply_chain import licenses, sbom
from supply_chain.pinned import FOLDER, IMAGES, TOOLS, pins

UNREACHABLE = (
    "the service cannot be reached from here, or lists none of these packages: nothing was checked "
    "(AUDIT=--offline skips this check)"
)


def main() -> int:
    """The exit code: 1 if there are findings, 2 if something could not be checked."""
    parser = argparse.ArgumentParser(prog="python -m supply_chain", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    audit = verbs.add_parser("audit", help="licences, and known vulnerabilities of every pinned package")
    audit.add_argument("--offline", action="store_true", help="licences only")
    audit.set_defaults(run=lambda arguments: _audit(offline=arguments.offline))
    listing = verbs.add_parser("sbom", help="write a CycloneDX document for each image")
    listing.add_argument("folder", type=Path)
    listing.add_argument("--version", required=True)
    listing.set_defaults(run=lambda arguments: _sbom(arguments.folder, arguments.version))
    arguments = parser.parse_args()
    code: int = arguments.run(arguments)
    return code


def _sbom(folder: Path, version: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for program in IMAGES:
        file = folder / f"{program}.cdx.json"
        file.write_text(sbom.document(program, version) + "\n")
        print(f"{file}: {len(json.loads(file.read_text())['components'])} components")
    return 0


def _audit(*, offline: bool) -> int:
    refused = refused_licenses()
    for line in refused:
        print(line)
    if not refused:
        print("licences: all accepted")
    if offline:
        print("vulnerabilities: not checked (--offline)")
        return 1 if refused else 0
    return max(1 if refused else 0, _vulnerabilities())


def refused_licenses() -> list[str]:
    """A line for each package whose licence is unknown, or not accepted for its use."""
    shipped = {pin.name for files in IMAGES.values() for pin in pins(*files)}
    lines = []
    for name in sorted({pin.name for pin in pins(*TOOLS)} | shipped):
        expression = licenses.license_of(name)
        allowed = licenses.DISTRIBUTED if name in shipped else licenses.RUN
        if not licenses.accepted(expression, allowed):
            where = "in an image" if name in shipped else "as a tool"
            lines.append(f"licences: {name}: {expression or 'unknown'} is not accepted {where}")
    return lines


def _vulnerabilities() -> int:
    reports = []
    for file in sorted(FOLDER.glob("*.txt")):
        argv = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
        argv += ["--format=json", f"--requirement={file}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if not done.stdout.startswith("{"):
            print("vulnerabilities: " + (UNREACHABLE if is_unreachable(done.stderr) else done.stderr.strip()))
            return 2
        reports += json.loads(done.stdout)["dependencies"]
    lines, code = judged(reports)
    print("\n".join(lines))
    return code


def judged(reports: list[dict[str, Any]]) -> tuple[list[str], int]:
    """The findings of pip-audit, one per line, and the exit code. A skipped package counts as not checked."""
    names = {report["name"] for report in reports}
    skipped = {report["name"] for report in reports if "skip_reason" in report}
    found = {
        f"vulnerabilities: {report['name']} {report['version']}: {flaw['id']} "
        f"(fixed in {', '.join(flaw['fix_versions']) or 'no release'})"
        for report in reports
        for flaw in report.get("vulns", [])
    }
    if skipped == names:
        return [f"vulnerabilities: {UNREACHABLE}"], 2
    unknown = (
        f"vulnerabilities: {len(skipped)} of {len(names)} packages were not checked: {', '.join(sorted(skipped))}"
    )
    lines = [*sorted(found), *([unknown] if skipped else [])] or ["vulnerabilities: none known"]
    return lines, 1 if found else 2 if skipped else 0


def is_unreachable(output: str) -> bool:
    """Whether pip-audit failed because it could not reach its service."""
    return any(sign in output for sign in ("Could not connect", "Max retries", "ConnectionError", "timed out"))


if __name__ == "__main__":
    sys.exit(main())
