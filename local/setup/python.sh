#!/bin/sh
# Make .venv with all pinned requirements and our own packages (named by the arguments) in place.
# PYTHON selects the interpreter. The default is the newest one of the distribution, else the newest one on PATH.
# Distributions build Python with profile-guided optimisation, as the images do. Such a build is a fifth faster than one
# that a version manager has compiled on this machine.
# When all is in place, .venv/ready records the folder of this checkout.
set -eu
SUDO="sudo -n" # never prompts for a password: another Python may do
. "${0%/*}/packages.sh"

SYSTEM_BIN=${SYSTEM_BIN:-/usr/bin}

fail() {
    echo "error: $*" >&2
    exit 1
}

suits() { # what cannot run at all, as a version manager's stand-in, does not suit either
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

makes_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

install_venv() { # Debian and Ubuntu leave it out of their Python
    package="$1-venv"
    command -v apt-get >/dev/null 2>&1 || return 1
    echo "$1 cannot make virtual environments; installing the package $package"
    apt_install "$package" >/dev/null 2>&1
}

# Where pip installs is our decision; where it finds packages is the user's.
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON

here=$(pwd -P) # as make's CURDIR, with symbolic links resolved
if [ -e .venv/ready ]; then
    IFS= read -r made <.venv/ready || true # the file may be empty
    if [ "$made" != "$here" ]; then
        echo "removing .venv, which was made in ${made:-a folder that it does not name} and not in $here"
        rm -rf .venv
    fi
fi

if ! suits .venv/bin/python; then
    newest="python3.13 python3.12 python3.11"
    candidates=${PYTHON:-$(printf "$SYSTEM_BIN/%s " $newest)$newest python3}
    python=""
    for candidate in $candidates; do
        suits "$candidate" || continue
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        python=$candidate
        makes_venv "$python" && break
        [ "$python" = "$SYSTEM_BIN/python$version" ] && install_venv "python$version" && makes_venv "$python" && break
    done
    [ -n "$python" ] || fail "Python 3.11 or later is missing (tried $candidates):" \
        "install it, or name it with PYTHON=/path/to/python3"
    makes_venv "$python" ||
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
printf '%s\n' "$here" >.venv/ready
