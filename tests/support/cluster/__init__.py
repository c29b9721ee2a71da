"""The system on a kind cluster, through the programs that people use: docker, kind, kubectl, helm."""

from cluster.installation import Installation
from cluster.kind import Cluster, open_cluster
from cluster.tools import ToolError, require, run

__all__ = ["Cluster", "Installation", "ToolError", "open_cluster", "require", "run"]
