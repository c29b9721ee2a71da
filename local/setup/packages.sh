# Read by the scripts that install packages. SUDO is the command with which other users become root.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        ${SUDO:-sudo} "$@"
    fi
}

apt_install() { # with lists of packages that may be old, or not there at all
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
        { as_root apt-get update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }
}

apt_install_stopped() { # installs packages whose services must start neither now nor at boot
    policy=/usr/sbin/policy-rc.d # decides whether packages may start their services; 101 means no
    made=""
    if [ ! -e $policy ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        trap 'as_root rm -f $policy' EXIT
        trap 'exit 130' INT TERM
    fi
    apt_install "$@" || return 1
    if [ -n "$made" ] && command -v systemctl >/dev/null 2>&1; then
        as_root systemctl disable "$@" >/dev/null 2>&1 || true
    fi
}
