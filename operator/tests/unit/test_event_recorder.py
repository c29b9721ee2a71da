import asyncio
import contextlib

from prometheus_client import REGISTRY
from stock_item_factory import item

from operador.cluster import event_recorder
from operador.cluster.api import UnavailableError
from operador.cluster.event_recorder import EventRecorder
from operador.decide.k8s_events import K8sEvent

NORMAL = K8sEvent("Normal", "Claimed", "")
WARNING = K8sEvent("Warning", "SkuConflict", "")


class Api:
    def __init__(self, *faults):
        self.faults, self.posted = list(faults), []

    async def post_event(self, _, event):
        if self.faults:
            raise self.faults.pop(0)
        self.posted.append(event.reason)


def dropped():
    return REGISTRY.get_sample_value("operador_k8s_events_dropped_total")


async def work(recorder, seconds, *, under_load=False):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await recorder.run(lambda: under_load)


async def test_warnings_come_first_and_are_dropped_last(monkeypatch):
    monkeypatch.setattr(event_recorder, "_NORMAL_CAPACITY", 2)
    monkeypatch.setattr(event_recorder, "_CAPACITY", 4)
    api, before = Api(), dropped()
    recorder = EventRecorder(api)
    for event in (NORMAL, NORMAL, NORMAL, WARNING, WARNING, WARNING):
        recorder.record(item(), event)
    await work(recorder, 0.4)
    assert api.posted == ["SkuConflict", "SkuConflict", "Claimed", "Claimed"]
    assert dropped() - before == 2


async def test_the_rate_of_posted_events_is_limited():
    api = Api()
    recorder = EventRecorder(api)
    for _ in range(100):
        recorder.record(item(), NORMAL)
    await work(recorder, 0.4)
    assert 2 <= len(api.posted) <= 11, "25 a second"


async def test_normal_events_are_throttled_while_statuses_wait():
    api = Api()
    recorder = EventRecorder(api)
    for _ in range(20):
        recorder.record(item(), NORMAL)
    recorder.record(item(), WARNING)
    recorder.record(item(), WARNING)
    await work(recorder, 0.5, under_load=True)
    assert api.posted == ["SkuConflict", "SkuConflict", "Claimed"], "one a second"


async def test_an_event_that_cannot_be_posted_is_counted_and_holds_up_nothing():
    api, before = Api(UnavailableError("503")), dropped()
    recorder = EventRecorder(api)
    recorder.record(item(), WARNING)
    recorder.record(item(), NORMAL)
    await work(recorder, 0.2)
    assert (api.posted, dropped() - before) == (["Claimed"], 1)
