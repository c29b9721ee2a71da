#!/bin/sh
# Install the load generators where they are missing: wrk with the machine's package manager, vegeta with Go.
set -eu

BIN="$HOME/.cache/reservaestoque/bin"
VEGETA=github.com/tsenart/vegeta/v12@v12.13.0

fail() {
    echo "error: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

wrk_with_apt() {
    as_root apt-get install -y --no-install-recommends wrk ||
        { as_root apt-get update && as_root apt-get install -y --no-install-recommends wrk; }
}

if ! command -v wrk >/dev/null 2>&1; then
    echo "wrk is missing; installing it with this machine's package manager"
    if command -v brew >/dev/null 2>&1; then
        brew install wrk || fail "wrk is missing and brew could not install it"
    elif command -v apt-get >/dev/null 2>&1; then
        wrk_with_apt || fail "wrk is missing and apt-get could not install it"
    elif command -v dnf >/dev/null 2>&1; then
        as_root dnf install -y wrk || fail "wrk is missing and dnf could not install it"
    else
        fail "wrk is missing, and neither apt-get, dnf nor brew is here: install the package wrk"
    fi
fi

if ! command -v vegeta >/dev/null 2>&1 && [ ! -x "$BIN/vegeta" ]; then
    command -v go >/dev/null 2>&1 ||
        fail "vegeta is missing, and there is no Go to build it with: install vegeta, or Go 1.22 or later"
    echo "vegeta is missing; building it into $BIN"
    mkdir -p "$BIN"
    GOBIN="$BIN" go install "$VEGETA" || fail "vegeta is missing and could not be built with Go"
fi
