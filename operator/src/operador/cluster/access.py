"""Access to the API server: its address and credentials, from a kubeconfig or from the pod's service account."""

import contextlib
from http import HTTPStatus

import aiohttp
import kopf
import yaml

_UNUSABLE = (OSError, LookupError, AttributeError, TypeError, ValueError, yaml.YAMLError, kopf.LoginError)


class AccessError(Exception):
    """There is neither a usable kubeconfig nor a service account."""


class Access:
    """What the kubeconfig or, without one, the pod's service account contains; `info` is the part that kopf uses.

    `kubeconfig` is the value of the environment variable KUBECONFIG, which kopf reads itself. It does not run exec
    plugins. Raises AccessError.
    """

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig
        self.info = self._read()

    def open_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Opens a session with the API server."""
        return aiohttp.ClientSession(
            self.info.server,
            connector=aiohttp.TCPConnector(limit=0, ssl=self.info.as_ssl_context()),
            proxy=self.info.proxy_url,
            middlewares=[*middlewares, self.authorize],
        )

    async def authorize(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Authenticates a request. Repeats one that is answered with 401 if the credentials have been replaced, as
        Kubernetes replaces the token of a service account before it expires.
        """
        sent = self.info.as_http_headers()
        request.headers.update(sent)
        response = await send(request)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        with contextlib.suppress(AccessError):
            self.info = self._read()
        newest = self.info.as_http_headers()
        if newest == sent:
            return response
        response.release()
        request.headers.update(newest)
        return await send(request)

    def _read(self) -> kopf.ConnectionInfo:
        login = kopf.login_with_kubeconfig if self._kubeconfig else kopf.login_with_service_account
        try:
            info = login(settings=kopf.OperatorSettings())
        except _UNUSABLE as fault:
            source = f"KUBECONFIG={self._kubeconfig}" if self._kubeconfig else "the service account"
            reason = " ".join(str(fault).split())
            raise AccessError(f"cannot read {source}: {type(fault).__name__}: {reason}") from fault
        if info is None:
            raise AccessError("set KUBECONFIG, or run in a pod with a service account")
        if not info.server:
            raise AccessError(f"KUBECONFIG={self._kubeconfig} names no server")
        return info
