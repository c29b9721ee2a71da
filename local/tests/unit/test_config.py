from pathlib import Path

import pytest

from local_system.config import Config, parse_replicas
from local_system.errors import LocalSystemError


def test_programs_that_are_not_named_have_one_replica() -> None:
    assert parse_replicas("") == {"pedidos": 1, "estoque": 1}
    assert parse_replicas("estoque=3") == {"pedidos": 1, "estoque": 3}
    assert parse_replicas(" pedidos = 2 , estoque=2,") == {"pedidos": 2, "estoque": 2}


@pytest.mark.parametrize("text", ["pedidos", "pedidos=", "pedidos=0", "pedidos=-1", "pedidos=1.5", "pedidos=21"])
def test_an_invalid_number_of_replicas_is_refused(text: str) -> None:
    with pytest.raises(LocalSystemError, match=r"write pedidos=N with N from 1 to 20"):
        parse_replicas(text)


def test_parts_without_replicas_are_refused() -> None:
    with pytest.raises(LocalSystemError, match="'operator' has no replicas, only pedidos and estoque do"):
        parse_replicas("operator=2")


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"LOCAL_DIR": str(tmp_path), "RESERVA_TTL": "5s", "LOG_LEVEL": "", "HOME": "/home/x"}
    config = Config.from_environ(environ)
    assert config.state == tmp_path
    assert config.settings == {"RESERVA_TTL": "5s"}


def test_hosts_are_names_without_a_port() -> None:
    hosts = Config.from_environ({"GATEWAY_HOSTS": "box.example, *.box.example,"}).hosts
    assert hosts == ("box.example", "*.box.example")
    for wrong in ("*", "box:8080", "http://box", "a b", "-x"):
        with pytest.raises(LocalSystemError, match="write names without a port"):
            Config.from_environ({"GATEWAY_HOSTS": wrong})


@pytest.mark.parametrize("endpoint", ["localhost:4318", "http://localhost:99999", "http://[::1", "http://"])
def test_an_invalid_address_of_a_collector_is_refused(endpoint: str) -> None:
    with pytest.raises(LocalSystemError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT=.*: write a URL such as"):
        Config.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})


@pytest.mark.parametrize("share", ["abc", "1.5", "-0.1", "nan"])
def test_an_invalid_share_of_traces_is_refused(share: str) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    with pytest.raises(LocalSystemError, match=r"OTEL_TRACES_SAMPLER_ARG=.*: write a share from 0 to 1"):
        Config.from_environ(environ)


@pytest.mark.parametrize("share", ["0", "1", "1.0", "0.25", ".5"])
def test_a_share_of_traces_is_between_0_and_1(share: str) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    assert Config.from_environ(environ).settings["OTEL_TRACES_SAMPLER_ARG"] == share
