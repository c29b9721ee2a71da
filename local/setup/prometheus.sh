#!/bin/sh
# Install Prometheus and promtool, and on Debian and Ubuntu the exporter of PostgreSQL's metrics, with the machine's package
# manager if missing. The packages' own servers do not stay running.
set -eu
. "${0%/*}/packages.sh"

fail() {
    echo "error: Prometheus is missing$*" >&2
    exit 1
}

present() {
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
}

exporter=prometheus-postgres-exporter
if present prometheus promtool; then
    if present apt-get && ! present $exporter; then
        apt_install_stopped $exporter || echo "so PostgreSQL's own metrics are missing"
    fi
    exit 0
fi
echo "Prometheus is missing; installing it with this machine's package manager"
if command -v brew >/dev/null 2>&1; then
    brew install prometheus || fail " and brew could not install it"
elif command -v apt-get >/dev/null 2>&1; then
    apt_install_stopped prometheus $exporter || fail " and apt-get could not install it"
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y prometheus || fail " and dnf could not install it"
else
    fail ", and neither apt-get, dnf nor brew is here: install the package prometheus"
fi
