"""``python -m cluster docker kind …``: whether these programs are here; says with a sentence which one is not."""

import sys

from cluster.ferramentas import FerramentaError, exigir

try:
    exigir(sys.argv[1:])
except FerramentaError as falta:
    sys.exit(str(falta))
