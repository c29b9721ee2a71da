# Before Envoy is told to end. From now on each answer closes its connection, so that clients come back elsewhere;
# /ready is not asked any more, since Kubernetes takes a pod that is to go out of its endpoints by itself.
# Needs bash only: the image has no HTTP client.
ask() {
    exec 3<>/dev/tcp/127.0.0.1/9901
    printf '%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" >&3
    cat <&3
    exec 3>&-
}
ask 'POST /healthcheck/fail' >/dev/null
sleep "$1"
for ((second = 0; second < $2; second++)); do
    ask 'GET /stats?filter=^http\.entrada\.downstream_rq_active$' | grep -q 'downstream_rq_active: 0' && break
    sleep 1
done
