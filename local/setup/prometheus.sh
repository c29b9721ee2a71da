#!/bin/sh
# Install Prometheus and promtool with the machine's package manager if missing. The package's own server does not stay
# running.
set -eu
. "${0%/*}/packages.sh"

fail() {
    echo "error: Prometheus is missing$*" >&2
    exit 1
}

command -v promtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 && exit 0
echo "Prometheus is missing; installing it with this machine's package manager"
if command -v brew >/dev/null 2>&1; then
    brew install prometheus || fail " and brew could not install it"
elif command -v apt-get >/dev/null 2>&1; then
    apt_install_stopped prometheus || fail " and apt-get could not install it"
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y prometheus || fail " and dnf could not install it"
else
    fail ", and neither apt-get, dnf nor brew is here: install the package prometheus"
fi
