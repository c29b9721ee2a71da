"""Runs Sphinx on the staged sources. Needs no network: local/setup/mermaid.sh has fetched the script for diagrams."""

import shutil
from pathlib import Path

from sphinx.cmd.build import build_main

from docs_site.staging import ROOT, stage

SITE = ROOT / "dist" / "docs"


def build(site: Path) -> int:
    """Writes the site into this folder. Returns Sphinx's exit code: a warning is an error."""
    source = site.with_name(f"{site.name}-source")
    for folder in (source, site):
        shutil.rmtree(folder, ignore_errors=True)
    stage(source)
    return build_main(["--quiet", "--fail-on-warning", "--conf-dir", str(ROOT / "docs"), str(source), str(site)])
