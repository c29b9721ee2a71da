#!/bin/sh
# Make .venv with all pinned requirements and our own packages (named by the arguments) in place.
# PYTHON chooses the interpreter; otherwise the newest suitable one is taken.
set -eu

fail() {
    echo "error: $*" >&2
    exit 1
}

suits() { # what cannot run at all, as a version manager's stand-in, does not suit either
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if ! suits .venv/bin/python; then
    python=""
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        suits "$candidate" || continue
        python=$candidate
        "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 && break
    done
    [ -n "$python" ] || fail "Python 3.11 or later is missing (tried ${PYTHON:-python3.13 python3.12 python3.11 python3}):" \
        "install it, or name it with PYTHON=/path/to/python3"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$python cannot make virtual environments: install the package python$version-venv (Debian, Ubuntu)"
    echo "making .venv with Python $version"
    rm -rf .venv
    "$python" -m venv .venv
fi
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null

echo "installing the pinned requirements into .venv"
PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
editable=""
for project in "$@"; do
    editable="$editable -e ./$project"
done
# shellcheck disable=SC2086 # a list of options
PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation $editable
