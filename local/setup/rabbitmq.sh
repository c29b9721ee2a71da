#!/bin/sh
# Install RabbitMQ with the machine's package manager when it is missing. The packages' own broker is not left running:
# the local system starts one of its own.
set -eu
. "${0%/*}/packages.sh"

CHECK='
import sys
from local_system import LocalSystemError, rabbitmq
try:
    rabbitmq.server()
except LocalSystemError:
    sys.exit(3)
'

found() { # ends the script when the check itself fails: that is no reason to install anything
    code=0
    .venv/bin/python -c "$CHECK" || code=$?
    case $code in
        0) return 0 ;;
        3) return 1 ;;
    esac
    echo "error: cannot tell whether RabbitMQ is installed, for the reason above" >&2
    exit "$code"
}

fail() {
    echo "error: RabbitMQ is missing and could not be installed ($1): install the package" \
        "rabbitmq-server (apt, dnf) or rabbitmq (brew), then repeat the command" >&2
    exit 1
}

found && exit 0
echo "RabbitMQ is missing; installing it with this machine's package manager"
if command -v brew >/dev/null 2>&1; then
    brew install rabbitmq || fail "brew failed"
else
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1 || fail "this needs root and there is no sudo"
    if command -v apt-get >/dev/null 2>&1; then
        apt_install_stopped rabbitmq-server || fail "apt-get failed"
    elif command -v dnf >/dev/null 2>&1; then
        as_root dnf install -y rabbitmq-server || fail "dnf failed"
    else
        fail "neither apt-get, dnf nor brew is here"
    fi
fi
found || fail "it is not where we look for it"
