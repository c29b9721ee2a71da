# Read by the scripts that install packages. SUDO is how those who are not root become it.

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
