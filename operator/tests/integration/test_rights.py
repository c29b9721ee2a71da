"""The operator's rights in the cluster: those that k8s/rbac grants are sufficient, and all of them are necessary."""

import json
import time
from pathlib import Path

import libyaml
import pytest

pytestmark = pytest.mark.integration

ROLE = libyaml.load((Path(__file__).parents[3] / "k8s" / "rbac" / "operador.yaml").read_text())
RIGHTS = [
    (group, resource, verb)
    for rule in ROLE["rules"]
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]
NS = "rights"


def role(rights):
    rules = [{"apiGroups": [g], "resources": [r], "verbs": [v]} for g, r, v in rights]
    return json.dumps({**ROLE, "metadata": {"name": "test-role"}, "rules": rules})


@pytest.fixture(scope="module")
def account(system, tmp_path_factory):
    """A ServiceAccount's kubeconfig; it may do what the ClusterRole `test-role` allows, in one namespace only."""
    system.stop("operator")
    system.kubectl("create", "namespace", NS)
    system.kubectl("create", "serviceaccount", "operator", f"--namespace={NS}")
    binding = ("test-role", "--clusterrole=test-role", f"--serviceaccount={NS}:operator")
    system.kubectl("create", "rolebinding", *binding, f"--namespace={NS}")
    kubeconfig = json.loads(system.kubeconfig.read_text())
    token = system.kubectl("create", "token", "operator", f"--namespace={NS}").strip()
    kubeconfig["users"][0]["user"] = {"token": token}
    file = tmp_path_factory.mktemp("account") / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    yield file
    system.start("operator")


def appears(world, name):
    return world.status(name, ns=NS).get("available") == 1


def changes(world, name):
    if appears(world, name):
        world.apply(name, ns=NS, quantity=2)
    return world.status(name, ns=NS).get("available") == 2


def announces(world, name):
    return "Claimed" in world.events(name, ns=NS)


def vanishes(world, name):
    if world.read(name, ns=NS) is not None:
        world.delete(name, ns=NS)
    return world.read(name, ns=NS) is None


@pytest.fixture
def with_rights(world, name, account, start_operator):
    """Runs an operator with these rights; returns whether it does its whole job in time."""

    def attempt(rights, seconds):
        world.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=role(rights))
        world.apply(name, ns=NS, quantity=1)
        # No resync after the first: later changes arrive through the watch.
        operator = start_operator(kubeconfig=account, NAMESPACE=NS, RESYNC_INTERVAL="10m")
        end = time.monotonic() + seconds
        done = all(_until(step, world, name, end) for step in (appears, changes, announces, vanishes))
        operator.process.kill()
        return done

    yield attempt
    if world.read(name, ns=NS) is not None:
        world.take_finalizers(name, ns=NS)


def _until(step, world, name, end):
    while time.monotonic() < end:
        if step(world, name):
            return True
        time.sleep(0.2)
    return False


def test_granted_rights_are_sufficient(with_rights):
    assert with_rights(RIGHTS, 20)


@pytest.mark.parametrize("right", RIGHTS, ids="-".join)
def test_the_operator_needs_each_of_its_rights(with_rights, right):
    assert not with_rights([d for d in RIGHTS if d != right], 8)


def test_an_operator_of_one_namespace_manages_only_that_one(world, name, account, start_operator, until):
    world.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=role(RIGHTS))
    world.apply(name, ns=NS, quantity=3)
    world.apply(f"{name}-outside", quantity=3)
    world.add_undeclared_row(f"{name}-orphan")
    operator = start_operator(kubeconfig=account, NAMESPACE=NS)
    until(lambda: world.reason(name, ns=NS), "Synced")
    world.apply(f"{name}-later", ns=NS, sku=f"{name}-outside", quantity=3)
    until(lambda: world.reason(f"{name}-later", ns=NS), "Synced", seconds=5)
    assert world.status(f"{name}-outside") == {}
    until(lambda: operator.metric("operador_resyncs_total") >= 2, True)
    assert f"{name}-orphan" not in operator.log.read_text(), "rows of other namespaces are ignored"
    world.remove_row(f"{name}-orphan")
    for mine in (name, f"{name}-later"):
        world.delete(mine, ns=NS)
        until(lambda mine=mine: world.read(mine, ns=NS), None)
