"""Prometheus metrics, and reporting each violation once."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from conferir.violation import Rule, Violation
from reservaestoque.telemetry import logger

MAX_REPORTED = 100_000

VIOLATIONS = Counter("conferir_violations_total", "Violations, counted once per rule and subject", ["rule"])
ROWS = Counter("conferir_rows_total", "Rows checked", ["scan"])
LAST_ROUND = Gauge(
    "conferir_last_round_timestamp_seconds", "When a scan last completed, or the program started", ["scan"]
)

_log = logger(__name__)


class Reporter:
    """Counts and logs each violation once per process."""

    def __init__(self) -> None:
        self._reported: set[tuple[Rule, str]] = set()
        for rule in Rule:
            VIOLATIONS.labels(rule.value)

    def report(self, violations: Iterable[Violation]) -> None:
        """Counts and logs new violations, up to MAX_REPORTED, so that memory is bounded."""
        for violation in violations:
            key = (violation.rule, violation.key)
            if key not in self._reported and len(self._reported) < MAX_REPORTED:
                self._reported.add(key)
                VIOLATIONS.labels(violation.rule.value).inc()
                _log.error("violation", rule=violation.rule.value, key=violation.key, detail=violation.detail)

    def knows(self, violation: Violation) -> bool:
        """Whether the violation has been reported."""
        return (violation.rule, violation.key) in self._reported
