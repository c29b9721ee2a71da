"""The allowed connections between pods: evaluates the NetworkPolicies of one namespace as Kubernetes does.

Supports only what the charts use: pod and namespace selectors, ports by number. Raises KeyError or ValueError for the
rest, so that an unsupported rule is never taken for an absent one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """A pod, its labels, and the name of its namespace."""

    name: str
    labels: tuple[tuple[str, str], ...]
    namespace: str

    @property
    def by_label(self) -> dict[str, str]:
        return dict(self.labels)


def allowed(policies: list[Manifest], namespace: str, source: Pod, target: Pod, port: int) -> bool:
    """Whether a TCP connection from one pod to a port of another is allowed by both egress and ingress rules."""
    out = _permits(policies, namespace, source, target, port, "Egress")
    return out and _permits(policies, namespace, target, source, port, "Ingress")


def _permits(policies: list[Manifest], namespace: str, subject: Pod, other: Pod, port: int, direction: str) -> bool:
    if subject.namespace != namespace:
        return True
    specs = [
        p["spec"]
        for p in policies
        if direction in p["spec"]["policyTypes"] and _selects(p["spec"]["podSelector"], subject)
    ]
    if not specs:
        return True
    rules = [rule for spec in specs for rule in spec.get(direction.lower(), [])]
    return any(_rule(rule, "to" if direction == "Egress" else "from", namespace, other, port) for rule in rules)


def _rule(rule: Manifest, key: str, namespace: str, other: Pod, port: int) -> bool:
    if unknown := set(rule) - {key, "ports"}:
        raise ValueError(f"not supported: {unknown}")
    ports = rule.get("ports")
    if ports is not None and (("TCP", port) not in {(p.get("protocol", "TCP"), p["port"]) for p in ports}):
        return False
    peers = rule.get(key)
    return peers is None or any(_peer(peer, namespace, other) for peer in peers)


def _peer(peer: Manifest, namespace: str, other: Pod) -> bool:
    if unknown := set(peer) - {"podSelector", "namespaceSelector"}:
        raise ValueError(f"not supported: {unknown}")
    if "namespaceSelector" in peer:
        labels = (("kubernetes.io/metadata.name", other.namespace),)
        if not _selects(peer["namespaceSelector"], Pod("", labels, "")):
            return False
    elif other.namespace != namespace:
        return False
    return "podSelector" not in peer or _selects(peer["podSelector"], other)


def _selects(selector: Manifest, pod: Pod) -> bool:
    return all(_requirements(selector, pod.by_label))


def _requirements(selector: Manifest, labels: dict[str, str]) -> Iterator[bool]:
    if unknown := set(selector) - {"matchLabels", "matchExpressions"}:
        raise ValueError(f"not supported: {unknown}")
    for key, value in selector.get("matchLabels", {}).items():
        yield labels.get(key) == value
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise ValueError(f"not supported: {term}")
        yield labels.get(term["key"]) in term["values"]
