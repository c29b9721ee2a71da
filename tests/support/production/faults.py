"""Node faults. Each ends with its context, even after an error."""

import contextlib
import time
from collections.abc import Iterator

from cluster import ToolError, run

CUT = """
add table inet cut
add chain inet cut in { type filter hook prerouting priority -400; }
add chain inet cut out { type filter hook postrouting priority 400; }
add rule inet cut in iifname "eth0" drop
add rule inet cut out oifname "eth0" drop
"""


@contextlib.contextmanager
def paused(node: str) -> Iterator[None]:
    """Stops every process of a node; its kernel still answers for them, at the level of TCP."""
    _pause(node)
    try:
        yield
    finally:
        run("docker", "unpause", node)


def _pause(node: str, seconds: float = 60) -> None:
    """Retries, because the kernel fails to freeze a process that is just being forked."""
    end = time.monotonic() + seconds
    while True:
        try:
            run("docker", "pause", node)
        except ToolError as fault:
            if "unable to freeze" not in str(fault) or time.monotonic() > end:
                raise
        else:
            return


@contextlib.contextmanager
def cut_off(node: str) -> Iterator[None]:
    """Drops every packet from and to other nodes; everything inside the node continues."""
    run("docker", "exec", "-i", node, "nft", "-f", "-", stdin=CUT)
    try:
        yield
    finally:
        run("docker", "exec", node, "nft", "delete", "table", "inet", "cut")
