#!/bin/sh
# Puts into each chart those that it is made of: they lie beside it, and nothing is downloaded.
set -eu
cd "$(dirname "$0")/../charts"
for chart in data-stores reserva-estoque; do
    helm dependency update --skip-refresh "$chart" >/dev/null
done
