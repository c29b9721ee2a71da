"""`make docs`: builds the site into dist/docs."""

import sys

from docs_site.build import SITE, build
from docs_site.staging import ROOT

code = build(SITE)
if not code:
    sys.stdout.write(f"the site is in {SITE.relative_to(ROOT)}: open {SITE.relative_to(ROOT)}/index.html\n")
sys.exit(code)
