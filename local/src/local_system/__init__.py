"""The whole system on one machine without a container engine.

Two PostgreSQL servers, RabbitMQ, etcd, kube-apiserver, Envoy and the five programs run as ordinary processes under
supervisord. People use `make up` (`python -m local_system`); integration tests use `System` directly: with
System(Config(state=tmp_path, ports=Ports.free(), parts={"postgres-estoque", "rabbitmq"})) as system:
connect(system.database_url("estoque"))
"""

from local_system.config import Config
from local_system.errors import LocalSystemError
from local_system.ports import Ports
from local_system.system import System

__all__ = ["Config", "LocalSystemError", "Ports", "System"]
