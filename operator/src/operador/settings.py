"""The settings that the operator reads from the environment."""

from datetime import timedelta

from pydantic import Field

from reservaestoque.settings import Duration, Settings


class OperadorSettings(Settings):
    """`kubeconfig`: the file that names the cluster; empty means the pod's service account.

    `namespace`: the one whose StockItems it manages; empty means all. `expiry_interval`: the pause between sweeps of
    lapsed reservations. `status_interval`: between reads of changed balances. `resync_interval`: between resyncs.
    """

    kubeconfig: str = ""
    namespace: str = Field(default="", pattern=r"^[a-z0-9-]{0,63}$")
    expiry_interval: Duration = timedelta(seconds=1)
    status_interval: Duration = timedelta(seconds=1)
    resync_interval: Duration = timedelta(minutes=5)
