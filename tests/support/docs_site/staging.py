"""Copies the documents to where Sphinx finds them, and rewrites their links for the site.

A link to another document leads to its page, a link to a source from which a page is generated to that page. Any
other link into the repository becomes a link to its files on the web if DOCS_REPOSITORY says where they are, such as
https://git.example/shop/reservaestoque/blob/main; otherwise its text remains.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from docs_site.generated import PAGES

ROOT = Path(__file__).resolve().parents[3]
ELSEWHERE = {
    "SECURITY.md": "security-policy.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "local/README.md": "local.md",
}
"""Documents outside docs/ that have a page."""
HOME = "README.md", "README.pt-BR.md"
"""Documents that the site's front page replaces."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"(^ *```.*?^ *```$|`(?:[^`\n]|\n(?!\n))+`(?!\]))", re.M | re.S)
_SECTION = re.compile(r"^## (.+)\n((?:(?!^## ).*\n?)*)", re.M)


def stage(target: Path) -> None:
    """Writes the Markdown of every page and the pictures into this folder."""
    pages = {document: place(document) for document in documents()}
    pages |= dict.fromkeys(HOME, "index.md") | {page.source: name for name, page in PAGES.items()}
    for document in documents():
        page = target / place(document)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(on_the_site(document, (ROOT / document).read_text(), pages))
    for name, page_of in PAGES.items():
        generated = target / name
        generated.parent.mkdir(parents=True, exist_ok=True)
        generated.write_text(page_of.text())
    shutil.copytree(ROOT / "docs" / "images", target / "images")


def documents() -> list[str]:
    """The documents that have a page, as paths in the repository."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "docs/*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return sorted([*{name for name in found if (ROOT / name).exists()}, *ELSEWHERE])


def place(document: str) -> str:
    """The page of a document, as a path in the site."""
    if document in ELSEWHERE:
        return ELSEWHERE[document]
    path = PurePosixPath(document).relative_to("docs")
    return str(path.with_name("index.md") if path.name == "README.md" else path)


def on_the_site(document: str, text: str, pages: Mapping[str, str]) -> str:
    """The document's text with links to `pages`; a README also gets the table of contents of its folder."""

    def link(match: re.Match[str]) -> str:
        picture, label, path, anchor = match.groups(default="")
        if not path or "://" in path or picture:
            return match[0]
        target = os.path.normpath(PurePosixPath(document).parent / path)
        if target in pages:
            return f"[{label}]({_relative(pages[target], place(document))}{anchor})"
        repository = os.environ.get("DOCS_REPOSITORY")
        return f"[{label}]({repository}/{target}{anchor})" if repository else label

    parts = _CODE.split(text)
    parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
    written = "".join(parts)
    if document.endswith("README.md"):
        written += contents(written, front=place(document) == "index.md")
    return written


def contents(text: str, *, front: bool) -> str:
    """Sphinx's tables of contents: the front page has one per section, a folder's index one of its own pages."""
    if front:
        sections = ((section, _linked(body)) for section, body in _SECTION.findall(text))
        return "".join(
            _toctree([f"{label} <{page}>" for page, label in pages.items()], section)
            for section, pages in sections
            if pages
        )
    own = [page for page in _linked(text) if "/" not in page]
    return _toctree(own) if own else ""


def _linked(text: str) -> dict[str, str]:
    """The pages of the site that a text links to, with the label of the link."""
    links = ((path.removesuffix(".md"), label) for _, label, path, _ in _LINK.findall(text) if path.endswith(".md"))
    return {page: label for page, label in links if "://" not in page}


def _toctree(pages: list[str], caption: str = "") -> str:
    options = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{options}\n" + "\n".join(pages) + "\n```\n"


def _relative(page: str, origin: str) -> str:
    return os.path.relpath(page, PurePosixPath(origin).parent)
