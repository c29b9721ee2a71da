"""Addresses of servers that must prove their identity."""

from pathlib import Path

import pytest
from certificates import Authority

from reservaestoque.postgres.hosts import hosts
from reservaestoque.settings import ServiceSettings, Settings, load
from reservaestoque.tls import ca_file, trusting_amqp, trusting_postgres

CA = Path("/etc/ca dir/ca.crt")
CHECKED = "sslmode=verify-full&sslrootcert=%2Fetc%2Fca+dir%2Fca.crt"


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("postgres://u:p@h/d", f"postgres://u:p@h/d?{CHECKED}"),
        ("postgres://u:p@h/d?sslmode=require", f"postgres://u:p@h/d?{CHECKED}"),
        ("postgres://u:p@h/d?sslmode=disable&a=b", f"postgres://u:p@h/d?a=b&{CHECKED}"),
        ("postgres://u:p@h/d?sslrootcert=x&sslmode=verify-ca", f"postgres://u:p@h/d?{CHECKED}"),
    ],
)
def test_a_database_with_an_authority_is_checked_whatever_is_in_its_address(url: str, checked: str):
    assert trusting_postgres(url, CA) == checked
    assert trusting_postgres(url, None) == url


def test_each_of_several_hosts_is_checked():
    assert [url.endswith(CHECKED) for url in hosts(trusting_postgres("postgres://u:p@a:1,b:2/d", CA))] == [True, True]


def test_a_broker_with_an_authority_is_checked_whatever_is_in_its_address():
    url = "amqps://u:p@h/v?no_verify_ssl=1&heartbeat=20&cafile=x"
    assert trusting_amqp(url, CA) == "amqps://u:p@h/v?heartbeat=20&cafile=%2Fetc%2Fca+dir%2Fca.crt"
    assert trusting_amqp(url, None) == url


def test_an_authority_for_a_broker_without_tls_is_refused():
    with pytest.raises(ValueError, match="amqps://"):
        trusting_amqp("amqp://u:p@h/v", CA)


def test_a_file_without_certificates_is_refused(tmp_path: Path):
    (tmp_path / "empty").write_text("nothing")
    for path in (tmp_path / "empty", tmp_path / "missing", tmp_path):
        with pytest.raises(ValueError, match="no certificate authority in PEM"):
            ca_file(str(path))


def test_wrong_authorities_end_the_program_with_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DATABASE_URL", "postgres://u:secret@h/d")
    monkeypatch.setenv("DATABASE_CA_FILE", str(tmp_path / "missing"))
    with pytest.raises(SystemExit, match=r"DATABASE_CA_FILE: .*missing holds no certificate authority"):
        load(Settings)
    monkeypatch.delenv("DATABASE_CA_FILE")
    monkeypatch.setenv("AMQP_URL", "amqp://u:secret@h/v")
    monkeypatch.setenv("AMQP_CA_FILE", str(Authority(tmp_path, "ours").file))
    with pytest.raises(SystemExit, match=r"AMQP_URL: .*amqps://") as end:
        load(ServiceSettings)
    assert "secret" not in str(end.value)
