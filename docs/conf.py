"""Sphinx's settings for the documentation site (`make docs`). The sources are staged by tests/support/docs_site."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MERMAID = Path(__file__).resolve().parents[1] / ".cache" / "mermaid"
"""Where local/setup/mermaid.sh puts the script that draws diagrams. Without it they appear as text."""

project = "ReservaEstoque"
html_title = "ReservaEstoque"
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["diagrams.js"]
if MERMAID.is_dir():
    html_static_path.append(str(MERMAID))
    html_js_files.insert(0, "mermaid.min.js")
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
copybutton_prompt_text = "$ "
suppress_warnings = ["myst.header"]  # generated help may begin at any depth


class Mermaid(SphinxDirective):
    """A diagram, which _static/diagrams.js draws in the browser; without JavaScript it is text."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The text of the diagram, escaped by the writer."""
        text = "\n".join(self.content)
        return [nodes.raw("", f'<pre class="mermaid">{_escape(text)}</pre>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
