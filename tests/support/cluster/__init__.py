"""The system on a kind cluster, by the programs that people use: docker, kind, kubectl, helm."""

from cluster.ferramentas import FerramentaError, executar, exigir
from cluster.instalacao import Instalacao
from cluster.kind import Cluster, abrir

__all__ = ["Cluster", "FerramentaError", "Instalacao", "abrir", "executar", "exigir"]
