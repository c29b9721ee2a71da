"""`kubectl` for the documents' shell blocks on the local system: runs the program here instead of in a pod.

`exec` of a database's pod lets psql and similar tools find that server; one of the broker's pods lets rabbitmqctl
find the broker. `get cluster` names the primary. Anything else is refused: it needs a cluster.
"""

import os
import sys


def main(argv: list[str]) -> None:
    words = [word for word in argv if word not in ("-i", "--stdin")]
    if words[:1] == ["--namespace"]:
        words = words[2:]
    if words[:2] == ["get", "cluster"]:
        sys.stdout.write(f"{words[2]}-1")
        return
    if words[:1] != ["exec"] or "--" not in words:
        sys.exit(f"kubectl {' '.join(argv)}: not without a cluster")
    command = words[words.index("--") + 1 :]
    env = {**os.environ, **environment(words[1])}
    if command[0] == "rabbitmqctl":
        command[0] = os.environ["HERE_RABBITMQCTL"]
    os.execvpe(command[0], command, env)  # noqa: S606 - that is what it is for


def environment(pod: str) -> dict[str, str]:
    """The environment that a program finds in this pod."""
    if pod.startswith("rabbitmq-server-"):
        prefix = "HERE_BROKER_"
        return {name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)}
    database, _, rest = pod.partition("-db-")
    if not rest.isdecimal():
        return {}
    port = os.environ[f"HERE_PORT_{database}"]
    server = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres", "PGPASSWORD": os.environ["HERE_PASSWORD"]}
    return {**server, "PGSSLMODE": "disable"}


if __name__ == "__main__":
    main(sys.argv[1:])
