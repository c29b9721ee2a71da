"""`kubectl` for the documents' shell blocks on the local system: runs the program here instead of in a pod.

`exec` of a database's pod lets psql and similar tools find that server; one of the broker's pods lets rabbitmqctl
find the broker. `get cluster` names the primary. Anything else is refused: it needs a cluster.
"""

import os
import sys


def main(argv: list[str]) -> None:
    arguments = [argument for argument in argv if argument not in ("-i", "--stdin")]
    if arguments[:1] == ["--namespace"]:
        arguments = arguments[2:]
    if arguments[:2] == ["get", "cluster"]:
        sys.stdout.write(f"{arguments[2]}-1")
        return
    if arguments[:1] != ["exec"] or "--" not in arguments:
        sys.exit(f"kubectl {' '.join(argv)}: not without a cluster")
    command = arguments[arguments.index("--") + 1 :]
    env = {**os.environ, **environment(arguments[1])}
    if command[0] == "rabbitmqctl":
        command[0] = os.environ["HERE_RABBITMQCTL"]
    os.execvpe(command[0], command, env)  # noqa: S606 - its purpose


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
