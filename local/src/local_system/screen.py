"""The output of `up` and `status`."""

import contextlib
import json
import sys
from collections.abc import Mapping

from local_system import first_order
from local_system.first_order import FirstOrder
from local_system.ports import HOST
from local_system.supervisor import State
from local_system.system import System


def after_start(system: System, first: FirstOrder, seconds: float) -> str:
    """The addresses of all parts, and commands to try."""
    url = system.gateway_url
    lines = [
        "",
        f"ReservaEstoque is running (started in {seconds:.1f} s).",
        "",
        f"  gateway    {url}",
        f"  OpenAPI    {url}/schema/pedidos  {url}/schema/estoque",
        f"  RabbitMQ   http://{HOST}:{system.layout.ports.rabbitmq_management}  user reserva, password in "
        f"{system.layout.state / 'credentials.json'}",
        f"  logs       {system.layout.state / 'logs'}",
        "",
        "Try:",
        f"  export KUBECONFIG={system.kubeconfig}",
        f"  alias kubectl={system.kubectl_path}",
        "  kubectl get stockitems --watch",
        f"  alias reserva='{sys.executable} -m reserva --url {url}'",
    ]
    if system.config.jwt:
        lines += [f'  export RESERVA_TOKEN=$(make -s token CLIENTE={first_order.CUSTOMER} SCOPE="estoque:ler")']
    lines += ["  reserva estoque"]
    if first.sku is not None:
        lines += [f"  reserva pedir {first.sku}=1 --cliente {first_order.CUSTOMER} --esperar"]
    if first.remarks:
        lines += [
            "",
            "StockItems that are not in force as written (`kubectl describe stockitem NAME` says more):",
        ]
        lines += [f"  {line}" for line in first.remarks]
    if first.answer is not None:
        lines += ["", f"A first order, for one {first.sku}, was answered {first.answer.status_code}:"]
        lines += [_indented(first.answer.text)]
    if system.config.observe:
        lines += ["", f"Prometheus, with the alerts: http://{HOST}:{system.layout.ports.prometheus}/alerts"]
    lines += ["", f"Watch it live: {url}/"]
    return "\n".join(lines)


def _indented(text: str) -> str:
    with contextlib.suppress(ValueError):  # not JSON: shown as received
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return "\n".join(f"  {line}" for line in text.splitlines())


def status(system: System, states: Mapping[str, State]) -> str:
    """One line per part: state, process, seconds since its start, port."""
    rows = [f"{'PART':<18} {'STATE':<10} {'PID':>8} {'UP':>8}"]
    rows += [
        f"{name:<18} {state.name:<10} {state.pid or '-':>8} {f'{state.uptime} s' if state.pid else '-':>8}"
        f"{f'  {state.error}' if state.error and not state.pid else ''}"
        for name, state in states.items()
    ]
    return "\n".join(rows) if states else f"nothing runs in {system.layout.state}"
