"""What the operator reads from the environment."""

from datetime import timedelta

from pydantic import Field

from reservaestoque.settings import Duration, Port, Settings


class OperadorSettings(Settings):
    """`kubeconfig`: the file that names the cluster; empty means the pod's service account.

    `namespace`: the one to look after; empty means all. `expiry_interval`: how often lapsed reservations are swept.
    `status_interval`: how often balances are read. `resync_interval`: how often everything is compared.
    """

    port: Port = 8080
    kubeconfig: str = ""
    namespace: str = Field(default="", pattern=r"^[a-z0-9-]{0,63}$")
    expiry_interval: Duration = timedelta(seconds=1)
    status_interval: Duration = timedelta(seconds=1)
    resync_interval: Duration = timedelta(minutes=5)
