"""The operator when parts fail, and when two operators run."""

import os
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest
from operator_world import manifest

pytestmark = pytest.mark.integration


@pytest.fixture
def second(start_operator):
    """A second operator in addition to the first."""
    return start_operator()


def test_a_killed_operator_restarts_and_rewrites_nothing_that_is_correct(world, name, until):
    for n in range(20):
        world.apply(f"{name}-{n}", quantity=n)
    until(lambda: world.reason(f"{name}-19"), "Synced")
    time.sleep(1)
    before = world.versions(name)
    world.system.kill("operator")
    world.system.wait_ready("operator")
    time.sleep(5)  # longer than a resync
    assert world.versions(name) == before


def test_an_operator_killed_in_the_middle_of_a_thousand_items_finishes_them(world, name, until):
    world.apply_many(name, 1000, wait=False)
    until(lambda: 0 < world.synced(name) < 1000, True)
    world.system.kill("operator")
    done = world.synced(name)
    assert done < 1000, "it was killed in the middle"
    until(lambda: world.synced(name), 1000, seconds=200)
    until(lambda: world.rows(name), 1000, seconds=1)
    world.delete_many(name)
    until(lambda: world.versions(name), {}, seconds=120)
    assert world.rows(name) == 0, "all were given up"


def test_an_item_that_postgresql_refuses_reports_it_and_holds_up_no_others(world, name, until):
    with world.database_rule("no_forbidden_name", "nome <> 'forbidden'"):
        items = [manifest(f"{name}-{n}", quantity=1, **({"name": "forbidden"} if n == 7 else {})) for n in range(20)]
        world.apply_list(items)
        until(lambda: world.synced(name), 19)
        until(lambda: world.reason(f"{name}-7"), "Rejected")
        assert "no_forbidden_name" in world.condition(f"{name}-7")["message"]
        until(lambda: world.events(f"{name}-7"), ["Rejected"])
        world.apply(f"{name}-7", name="allowed", quantity=1)
        until(lambda: world.reason(f"{name}-7"), "Synced")


def test_changes_made_while_the_operator_was_down_are_picked_up(world, name, until):
    world.apply(name, quantity=10)
    world.apply(f"{name}-gone", quantity=10)
    until(lambda: world.reason(name), "Synced")
    until(lambda: world.reason(f"{name}-gone"), "Synced")
    world.system.stop("operator")
    world.apply(name, quantity=30)
    world.delete(f"{name}-gone")
    world.reservar(name, 1)
    world.system.start("operator")
    until(lambda: world.numbers(name), (29, 1, 0, 30))
    until(lambda: world.read(f"{name}-gone"), None)


def test_a_database_outage_is_reported_and_heals_on_its_own(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    world.system.stop("postgres-estoque")
    began = time.monotonic()
    try:
        world.apply(name, quantity=20)
        world.apply(f"{name}-new", quantity=5)
        until(lambda: world.reason(name), "DatabaseUnavailable")
        until(lambda: world.reason(f"{name}-new"), "DatabaseUnavailable")
        assert world.status(name)["available"] == 10, "known numbers stay"
        versions = world.versions(name)
        time.sleep(4)
        assert world.versions(name) == versions, "an outage is written once"
        health = f"{world.system.metrics_url('operator')}/health"
        assert httpx.get(f"{health}/ready").status_code == 503
        assert "the database does not answer" in httpx.get(f"{health}/ready").text
        time.sleep(max(0, 20 - (time.monotonic() - began)))
        assert httpx.get(f"{health}/live").status_code == 200, "a restart would not bring the database back"
    finally:
        world.system.start("postgres-estoque")
    until(lambda: world.numbers(name), (20, 0, 0, 20), seconds=15)
    until(lambda: world.reason(f"{name}-new"), "Synced", seconds=15)
    world.system.wait_ready("operator")


def test_an_api_server_that_restarts_loses_nothing(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 1, ttl=1)
    world.system.stop("kube-apiserver")
    try:
        until(lambda: world.pedido(pedido), "ReservaExpirada", seconds=5)
        alive = world.system.states()["operator"].pid
    finally:
        world.system.start("kube-apiserver")
    world.apply(name, quantity=40)
    until(lambda: world.numbers(name), (40, 0, 0, 40), seconds=30)
    assert world.system.states()["operator"].pid == alive, "the same process continued"


def test_two_operators_do_no_harm(world, name, until, second):
    for n in range(30):
        world.apply(f"{name}-{n}", quantity=10)
    world.apply(f"{name}-dobro", sku=f"{name}-0", quantity=1)
    until(lambda: world.reason(f"{name}-dobro"), "SkuConflict")
    for n in range(30):
        until(lambda n=n: world.numbers(f"{name}-{n}"), (10, 0, 0, 10))
    world.delete(f"{name}-0")
    until(lambda: world.reason(f"{name}-dobro"), "Synced", seconds=5)
    time.sleep(4)
    before = world.versions(name)
    time.sleep(5)
    assert world.versions(name) == before, "they do not overwrite each other"
    assert second.process.poll() is None


def test_a_stopped_operator_does_not_delay_expiry_while_another_one_runs(world, name, until, second):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    second.wait_ready()
    world.system.stop("operator")
    try:
        third = world.reservar(name, 2, ttl=1)
        until(lambda: world.pedido(third), "ReservaExpirada", seconds=4)
    finally:
        world.system.start("operator")


def test_a_killed_single_operator_delays_expiry_by_a_few_seconds(world, name, until):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    pedido = world.reservar(name, 2, ttl=0.5)
    world.system.kill("operator")
    until(lambda: world.pedido(pedido), "ReservaExpirada", seconds=8)
    world.system.wait_ready("operator")


def test_an_operator_that_is_killed_in_the_middle_of_a_sweep_leaves_nothing_half_done(world, name, until, second):
    world.apply(f"{name}-0", quantity=5000)
    until(lambda: world.reason(f"{name}-0"), "Synced")
    second.wait_ready()
    world.reservar_many(name, 5000, items=1)
    world.lapse(name)
    until(lambda: 0 < world.live_lines(name) < 5000, True, seconds=10)
    world.system.kill("operator")
    until(lambda: world.live_lines(name), 0, seconds=10)
    until(lambda: world.numbers(f"{name}-0"), (5000, 0, 0, 5000))
    assert world.facts(name) == 5000, "each was reported once"
    world.system.wait_ready("operator")


@pytest.mark.parametrize("further_writes", [0, 2000], ids=["its revision is lower", "its revision is higher"])
def test_an_etcd_restored_from_a_backup_is_noticed_and_obeyed(world, name, until, tmp_path, further_writes):
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")
    data = world.system.layout.state / "etcd"
    with world.without_cluster():
        shutil.copytree(data, tmp_path / "etcd")
    for n in range(30):
        world.apply(name, quantity=50 + n)
    world.apply(f"{name}-later", quantity=5)
    until(lambda: world.numbers(name), (79, 0, 0, 79))
    until(lambda: world.reason(f"{name}-later"), "Synced")
    logged = len(world.system.log("operator"))
    with world.without_cluster():
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "etcd", data)
        world.write_to_etcd(further_writes)
    until(lambda: world.row(name, "alvo"), "10", seconds=30)
    until(lambda: world.numbers(name), (10, 0, 0, 10), seconds=10)
    assert world.row(f"{name}-later", "situacao, alvo") == "Ativo|5", "rows lost by the cluster stay sellable"
    reason = "in between was known" if further_writes else "the list has version"
    assert any(
        "HistoryRewoundError" in line and reason in line
        for line in world.system.log("operator")[logged:].splitlines()
    )
    world.remove_row(f"{name}-later")


def test_it_stops_on_sigterm_in_time(second):
    second.wait_ready()
    began = time.monotonic()
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(10) == 0
    assert time.monotonic() - began < 10


def test_it_stops_in_time_though_the_api_server_hangs(world, name, until, second):
    second.wait_ready()
    api = world.system.states()["kube-apiserver"].pid
    os.kill(api, signal.SIGSTOP)
    try:
        second.process.send_signal(signal.SIGTERM)
        second.process.wait(10)
    finally:
        os.kill(api, signal.SIGCONT)
    world.apply(name, quantity=10)
    until(lambda: world.reason(name), "Synced")


def test_without_settings_it_names_what_is_missing():
    end = subprocess.run([sys.executable, "-m", "operador"], env={}, capture_output=True, text=True, check=False)
    assert end.returncode == 1
    assert "DATABASE_URL" in end.stderr


def test_a_kubeconfig_that_does_not_exist_ends_it_with_a_sentence(tmp_path):
    environment = {"DATABASE_URL": "postgresql://127.0.0.1:1/estoque", "KUBECONFIG": str(tmp_path / "missing")}
    end = subprocess.run(
        [sys.executable, "-m", "operador"], env=environment, capture_output=True, text=True, check=False
    )
    assert end.returncode == 1
    assert end.stderr.startswith(
        f"There is no access to the API server: cannot read KUBECONFIG={tmp_path / 'missing'}: "
    )
