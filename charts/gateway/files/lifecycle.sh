# Probes and hooks that Envoy itself does not provide. Needs only bash: the image has no HTTP client.
#   lifecycle.sh started SECONDS        whether the pod may receive requests
#   lifecycle.sh drain SECONDS SECONDS  runs before Envoy receives SIGTERM
#   lifecycle.sh run COMMAND            starts Envoy with a key for the subjects in its access log
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/${ADMIN_PORT:-9901}" || return
    printf '%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" >&3
    cat <&3
    exec 3>&-
}

# Envoy reports ready after one round of health checks, whatever the result, and answers 503 for a service without a
# healthy pod, even while older Envoy pods can still serve it. So wait until every pod in DNS has answered: a single
# healthy one may be terminating. After SECONDS of uptime, proceed without the missing ones; if none has answered, 503 is
# the right answer.
started() {
    local stats
    ask 'GET /ready' | grep -q '^LIVE' || return
    stats=$(ask 'GET /stats?filter=^(server\.uptime|cluster\..*\.membership_(healthy|total))$')
    [[ $stats =~ server\.uptime:\ ([0-9]+) ]] || return
    ((BASH_REMATCH[1] >= $1)) || all_healthy <<<"$stats"
}

# The lines of a cluster are consecutive, membership_healthy first.
all_healthy() {
    local stat count healthy
    while read -r stat count; do
        case $stat in
            *painel.membership_*) ;; # orders do not wait for the panel
            *.membership_healthy:) healthy=$count ;;
            *.membership_total:) ((healthy > 0 && healthy == ${count%$'\r'})) || return ;;
        esac
    done
}

# Makes each response close its connection, so that clients reconnect to another pod. The failing /ready has no other
# effect, because Kubernetes has already removed the terminating pod from its endpoints.
drain() {
    ask 'POST /healthcheck/fail' >/dev/null
    sleep "$1"
    for ((second = 0; second < $2; second++)); do
        ask 'GET /stats?filter=^http\.ingress\.downstream_rq_active$' | grep -q 'downstream_rq_active: 0' && break
        sleep 1
    done
}

# Without a key for the installation, this pod generates one, known only to this process.
run() {
    if [[ -z ${SUBJECT_KEY:-} ]]; then
        SUBJECT_KEY=$(od -An -N32 -tx1 /dev/urandom)
        export SUBJECT_KEY=${SUBJECT_KEY//[[:space:]]/}
    fi
    exec "$@"
}

"$@"
