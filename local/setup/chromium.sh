#!/bin/sh
# Install Chromium with the machine's package manager if no browser is found, for the tests of the panel.
set -eu
. "${0%/*}/packages.sh"

fail() {
    echo "error: Chromium is missing$*" >&2
    exit 1
}

for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
echo "Chromium is missing; installing it with this machine's package manager"
if command -v apt-get >/dev/null 2>&1; then
    # Debian has the headless shell as a package of its own, which suffices.
    apt_install chromium-headless-shell fonts-inter ||
        apt_install chromium fonts-inter || fail " and apt-get could not install it"
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y chromium || fail " and dnf could not install it"
else
    fail ", and neither apt-get nor dnf is here: install Chromium"
fi
