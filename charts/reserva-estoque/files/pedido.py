"""Tests the whole path without side effects: an order for an undeclared SKU is refused, with the reason."""

import json
import sys
import urllib.request

pedido = {"clienteId": "helm-test", "itens": [{"sku": "HELM-TEST-NAO-HA", "quantidade": 1}]}
headers = {"Content-Type": "application/json", "Prefer": "wait=25"}
request = urllib.request.Request(sys.argv[1], json.dumps(pedido).encode(), headers)
with urllib.request.urlopen(request, timeout=35) as answer:
    body = json.load(answer)
print(answer.status, body)
if (answer.status, body["status"]) != (201, "EstoqueNaoDisponivel"):
    sys.exit("the order was not decided in 25 seconds")
