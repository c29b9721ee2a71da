"""The allowed connections between pods: evaluates NetworkPolicies as Kubernetes does, for the pods of one namespace.

Only what our manifests use: pod and namespace selectors, ports by number. Raises KeyError or ValueError for the rest,
so that an unsupported rule is never taken for an absent one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """`namespace` is the name of its namespace; ours is the one of the policies."""

    name: str
    labels: tuple[tuple[str, str], ...]
    namespace: str

    @property
    def by_label(self) -> dict[str, str]:
        return dict(self.labels)


def allowed(policies: list[Manifest], ours: str, source: Pod, target: Pod, port: int) -> bool:
    """Whether a TCP connection from one pod to a port of another is allowed by both egress and ingress rules."""
    out = _permits(policies, ours, source, target, port, "Egress")
    return out and _permits(policies, ours, target, source, port, "Ingress")


def _permits(policies: list[Manifest], ours: str, subject: Pod, other: Pod, port: int, way: str) -> bool:
    if subject.namespace != ours:
        return True
    about = [
        p["spec"] for p in policies if way in p["spec"]["policyTypes"] and _selects(p["spec"]["podSelector"], subject)
    ]
    if not about:
        return True
    rules = [rule for spec in about for rule in spec.get(way.lower(), [])]
    return any(_rule(rule, "to" if way == "Egress" else "from", ours, other, port) for rule in rules)


def _rule(rule: Manifest, key: str, ours: str, other: Pod, port: int) -> bool:
    if unknown := set(rule) - {key, "ports"}:
        raise ValueError(f"not understood: {unknown}")
    ports = rule.get("ports")
    if ports is not None and (("TCP", port) not in {(p.get("protocol", "TCP"), p["port"]) for p in ports}):
        return False
    peers = rule.get(key)
    return peers is None or any(_peer(peer, ours, other) for peer in peers)


def _peer(peer: Manifest, ours: str, other: Pod) -> bool:
    if unknown := set(peer) - {"podSelector", "namespaceSelector"}:
        raise ValueError(f"not understood: {unknown}")
    if "namespaceSelector" in peer:
        labels = (("kubernetes.io/metadata.name", other.namespace),)
        if not _selects(peer["namespaceSelector"], Pod("", labels, "")):
            return False
    elif other.namespace != ours:
        return False
    return "podSelector" not in peer or _selects(peer["podSelector"], other)


def _selects(selector: Manifest, pod: Pod) -> bool:
    return all(_requirements(selector, pod.by_label))


def _requirements(selector: Manifest, labels: dict[str, str]) -> Iterator[bool]:
    if unknown := set(selector) - {"matchLabels", "matchExpressions"}:
        raise ValueError(f"not understood: {unknown}")
    for key, value in selector.get("matchLabels", {}).items():
        yield labels.get(key) == value
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise ValueError(f"not understood: {term}")
        yield labels.get(term["key"]) in term["values"]
