"""The flash sale of `make demo` on the cluster: deleted pods, added pods, and an account that is right."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from cluster import Installation
from cluster.tools import ROOT
from waiting import until

pytestmark = pytest.mark.demo

SERVICES = ("pedidos", "estoque")
SENSITIVE = {
    "spec": {
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 25}},
            }
        ]
    }
}
"""Autoscalers that the sale reaches even on a slow machine."""
PARTS = ("gateway", "pedidos", "estoque", "operator", "conferir", "painel")


async def test_a_flash_sale_scales_out_survives_deleted_pods_and_oversells_nothing(
    installed: Installation, say: Callable[[str], None]
):
    for service in SERVICES:  # what the programs cost at their start has made the autoscalers add pods
        await until(lambda service=service: asyncio.to_thread(installed.has_replicas, service, 2), 240, every=1)
        installed.kubectl("patch", "hpa", service, "--type=merge", f"--patch={json.dumps(SENSITIVE)}")
    argv = [sys.executable, "-m", "demo", "--gateway", installed.gateway_url, "--namespace", installed.namespace]
    done = await asyncio.to_thread(
        subprocess.run,
        argv,
        env={**os.environ, **installed.cluster.environment, "LC_ALL": "C.UTF-8", "COLUMNS": "118"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    say(done.stdout + done.stderr)
    assert done.returncode == 0
    assert "All checks passed." in done.stdout
    for part in PARTS:
        assert f"pod {part}-" in done.stdout
        assert re.search(rf"{part} is back after \d+\.\d s", done.stdout)
    assert re.search(rf"({'|'.join(SERVICES)}) now has 3/3 pods", done.stdout)
    for label in ("units oversold", "orders lost", "duplicate orders", "shoppers without an answer"):
        assert re.search(rf"{label} +0 ", done.stdout)
