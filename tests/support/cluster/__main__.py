"""``python -m cluster docker kind …``: checks that these programs are installed; names each missing one."""

import sys

from cluster.tools import ToolError, require

try:
    require(sys.argv[1:])
except ToolError as missing:
    sys.exit(str(missing))
