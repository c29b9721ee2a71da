# What Kubernetes asks of a pod besides Envoy itself. Needs bash only: the image has no HTTP client.
#   lifecycle.sh started SECONDS        whether the pod may be sent requests
#   lifecycle.sh drain SECONDS SECONDS  before Envoy is told to end
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/${ADMIN_PORT:-9901}" || return
    printf '%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" >&3
    cat <&3
    exec 3>&-
}

# Envoy says that it is ready after its first look at the services, whatever it saw, and answers 503 in their name where
# it saw nobody, although an older pod knows better. Each pod that DNS names has to have answered, since one that has may
# be on its way out. Once Envoy has lived for so long it does without those that have not, and 503 is the right answer
# where nobody is there.
started() {
    local stats
    ask 'GET /ready' | grep -q '^LIVE' || return
    stats=$(ask 'GET /stats?filter=^(server\.uptime|cluster\..*\.membership_(healthy|total))$')
    [[ $stats =~ server\.uptime:\ ([0-9]+) ]] || return
    ((BASH_REMATCH[1] >= $1)) || all_healthy <<<"$stats"
}

# A cluster's lines follow one another, first how many are healthy.
all_healthy() {
    local stat count healthy
    while read -r stat count; do
        case $stat in
            *.membership_healthy:) healthy=$count ;;
            *.membership_total:) ((healthy > 0 && healthy == ${count%$'\r'})) || return ;;
        esac
    done
}

# From now on each answer closes its connection, so that clients come back elsewhere; /ready is not asked any more, since
# Kubernetes takes a pod that is to go out of its endpoints by itself.
drain() {
    ask 'POST /healthcheck/fail' >/dev/null
    sleep "$1"
    for ((second = 0; second < $2; second++)); do
        ask 'GET /stats?filter=^http\.ingress\.downstream_rq_active$' | grep -q 'downstream_rq_active: 0' && break
        sleep 1
    done
}

"$@"
