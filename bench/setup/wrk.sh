#!/bin/sh
# Install the load generator wrk with the machine's package manager where it is missing.
set -eu
. "${0%/*}/../../local/setup/packages.sh"

fail() {
    echo "error: wrk is missing$*" >&2
    exit 1
}

command -v wrk >/dev/null 2>&1 && exit 0
echo "wrk is missing; installing it with this machine's package manager"
if command -v brew >/dev/null 2>&1; then
    brew install wrk || fail " and brew could not install it"
elif command -v apt-get >/dev/null 2>&1; then
    apt_install wrk || fail " and apt-get could not install it"
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y wrk || fail " and dnf could not install it"
else
    fail ", and neither apt-get, dnf nor brew is here: install the package wrk"
fi
