"""What the operator asks of the Kubernetes API, besides watching."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from operador.eventos import Evento
from operador.stockitem import GROUP, KIND, PLURAL, VERSION, Status, StockItem, escrever_status

_PAGINA = 500
_SEGUNDOS = 15
# Not left to the client, which would call a merge patch a JSON patch.
_MESCLAR: dict[str, Any] = {
    "_content_type": "application/merge-patch+json",
    "_request_timeout": _SEGUNDOS,
    "field_manager": "reservaestoque-operador",
}
# What the API server answers a status with: the whole object, which it writes out and we read, says nothing new.
_SO_METADADOS = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_AQUI: dict[str, Any] = {"group": GROUP, "version": VERSION, "plural": PLURAL}


class ItemSumiuError(Exception):
    """The StockItem does not exist any more."""


class ItemMudouError(Exception):
    """The StockItem is not the version, or not the object, that the change was meant for."""


class KubernetesForaError(Exception):
    """The API did not do what was asked; the same again may succeed later."""


@asynccontextmanager
async def abrir(namespace: str, kubeconfig: str) -> AsyncIterator["Kubernetes"]:
    """The API of the cluster that this file names, or, when it is empty, of the one this pod runs in.

    Empty `namespace`: all of them.
    """
    configuracao = client.Configuration()
    if kubeconfig:
        await config.load_kube_config(config_file=kubeconfig, client_configuration=configuracao)
    else:
        config.load_incluster_config(client_configuration=configuracao)  # type: ignore[no-untyped-call]
    async with client.ApiClient(configuracao) as api, client.ApiClient(configuracao) as de_status:
        for cliente in (api, de_status):
            # Else aiohttp looks for a password in ~/.netrc before each request, in a thread.
            cliente.rest_client.pool_manager._trust_env = False
        de_status.set_default_header("Accept", _SO_METADADOS)
        yield Kubernetes(api, de_status, namespace)


@asynccontextmanager
async def _faltas() -> AsyncIterator[None]:
    """Turns the client's faults into ours."""
    try:
        yield
    except ApiException as falta:
        resposta = f"{falta.status} {falta.reason}: {str(falta.body)[:300]}"
        if falta.status == 404:  # noqa: PLR2004
            raise ItemSumiuError(resposta) from falta
        if falta.status == 409:  # noqa: PLR2004
            raise ItemMudouError(resposta) from falta
        raise KubernetesForaError(resposta) from falta
    except (aiohttp.ClientError, OSError, TimeoutError) as falta:
        raise KubernetesForaError(repr(falta)) from falta


class Kubernetes:
    """Every method raises ItemSumiuError, ItemMudouError or KubernetesForaError."""

    def __init__(self, api: client.ApiClient, de_status: client.ApiClient, namespace: str) -> None:
        self._objetos = client.CustomObjectsApi(api)
        self._status = client.CustomObjectsApi(de_status)
        self._nucleo = client.CoreV1Api(api)
        self._namespace = namespace

    async def sondar(self) -> None:
        """Raises ItemSumiuError while the API server does not know what a StockItem is."""
        await anext(self.paginas(1))

    async def paginas(
        self, tamanho: int = _PAGINA, *, nao_antes_de: int = 0
    ) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """All StockItems, a page at a time, and the resourceVersion of which the whole list speaks.

        That is the newest, or one no older than `nao_antes_de` where that is given: such a list the API server may
        have in memory, where it would read and decode each object from etcd.
        """
        continuar = ""
        desde = (
            {"resource_version": str(nao_antes_de), "resource_version_match": "NotOlderThan"} if nao_antes_de else {}
        )
        while True:
            async with _faltas():
                onde = {**_AQUI, "limit": tamanho, "_continue": continuar, "_request_timeout": 60, **desde}
                if self._namespace:
                    lista = await self._objetos.list_namespaced_custom_object(namespace=self._namespace, **onde)
                else:
                    lista = await self._objetos.list_cluster_custom_object(**onde)
            yield lista["items"], int(lista["metadata"]["resourceVersion"])
            continuar, desde = lista["metadata"].get("continue", ""), {}
            if not continuar:
                return

    async def mudar_finalizadores(self, item: StockItem, finalizadores: tuple[str, ...]) -> dict[str, Any]:
        """Sets the finalizers of exactly this version of the StockItem; the object after that."""
        meta = {"resourceVersion": str(item.versao), "finalizers": list(finalizadores)}
        async with _faltas():
            corpo: dict[str, Any] = await self._objetos.patch_namespaced_custom_object(
                **_AQUI,
                namespace=item.chave.namespace,
                name=item.chave.name,
                body={"metadata": meta},
                **_MESCLAR,
            )
        return corpo

    async def escrever_status(self, item: StockItem, status: Status, agora: str) -> int:
        """Writes the status of exactly this version of the StockItem; its version after that.

        Of this version, because the answer's version is then known to hide no change by somebody else, and because
        the API server does not look at the uid when a status is patched.
        """
        async with _faltas():
            escrito = await self._status.patch_namespaced_custom_object_status(
                **_AQUI,
                namespace=item.chave.namespace,
                name=item.chave.name,
                body={"metadata": {"resourceVersion": str(item.versao)}, "status": escrever_status(status, agora)},
                **_MESCLAR,
            )
        return int(escrito["metadata"]["resourceVersion"])

    async def anunciar(self, item: StockItem, evento: Evento) -> None:
        """Posts a Kubernetes Event about the StockItem."""
        agora = datetime.now(UTC)
        corpo = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{item.chave.name[:200]}.", namespace=item.chave.namespace),
            involved_object=client.V1ObjectReference(
                api_version=f"{GROUP}/{VERSION}",
                kind=KIND,
                name=item.chave.name,
                namespace=item.chave.namespace,
                uid=item.uid,
                resource_version=str(item.versao),
            ),
            type=evento.tipo,
            reason=evento.motivo,
            message=evento.mensagem,
            source=client.V1EventSource(component="reservaestoque-operador"),
            first_timestamp=agora,
            last_timestamp=agora,
            count=1,
        )
        async with _faltas():
            await self._nucleo.create_namespaced_event(item.chave.namespace, corpo, _request_timeout=_SEGUNDOS)
