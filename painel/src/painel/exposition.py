"""Parses selected metrics from Prometheus' text format. Pure: no I/O, no clock."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One line: a value with its labels."""

    labels: Mapping[str, str]
    value: float


class Metrics:
    """The samples of one page, by metric name."""

    def __init__(self, samples: Mapping[str, list[Sample]]) -> None:
        self._samples = samples

    def all(self, name: str) -> list[Sample]:
        """The samples with this name, in the page's order."""
        return self._samples.get(name, [])

    def sum(self, name: str, **labels: str) -> float | None:
        """The sum of the samples with these labels; None if there are none."""
        values = [s.value for s in self.all(name) if labels.items() <= s.labels.items()]
        return sum(values) if values else None

    def earliest(self, name: str) -> float | None:
        """The lowest value; None if there are no samples."""
        return min((s.value for s in self.all(name)), default=None)


def parse(page: str, names: Iterable[str]) -> Metrics:
    """The samples with these names. Unparsable lines are skipped: the page may come from another release."""
    wanted = tuple(names)
    samples: dict[str, list[Sample]] = {}
    for name, sample in _samples(page, wanted):
        samples.setdefault(name, []).append(sample)
    return Metrics(samples)


def _samples(page: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, Sample]]:
    for line in page.splitlines():
        if not line.startswith(wanted):
            continue
        match = _SAMPLE.match(line)
        if match is None or match[1] not in wanted:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        labels = {name: _unescaped(text) for name, text in _LABEL.findall(match[2] or "")}
        yield match[1], Sample(labels, value)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
