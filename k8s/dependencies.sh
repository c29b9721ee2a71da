#!/bin/sh
# Copies into each chart its dependencies from the neighbouring directories; nothing is downloaded.
set -eu
cd "$(dirname "$0")/../charts"
for chart in data-stores reserva-estoque; do
    helm dependency update --skip-refresh "$chart" >/dev/null
done
