"""Access to the API server: its address and the operator's credentials, as kopf reads them."""

import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

import aiohttp
import kopf
import yaml
from yarl import URL

from reservaestoque.telemetry import logger

_RENEW_SECONDS = 60.0
"""Kubernetes replaces a service account's token in the pod long before it expires; client-go reads it as often."""
_UNUSABLE = (OSError, LookupError, AttributeError, TypeError, ValueError, kopf.LoginError)

_log = logger(__name__)


class AccessError(Exception):
    """There is neither a usable kubeconfig nor a service account."""


class Access:
    """Access with a kubeconfig or, without one, with the pod's service account.

    `info` holds the address and the credentials. A replaced token is adopted; any other change requires a restart.
    """

    def __init__(self, kubeconfig: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`kubeconfig` is the value of the environment variable KUBECONFIG, which kopf itself reads.

        Raises AccessError.
        """
        self._kubeconfig = kubeconfig
        self._clock = clock
        self.info = self._read()
        self._read_at = clock()

    def open_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Opens a session for requests to paths below the server's address."""
        return aiohttp.ClientSession(
            f"{self.info.server.rstrip('/')}/",
            connector=aiohttp.TCPConnector(limit=0, ssl=self.info.as_ssl_context()),
            headers={"User-Agent": "reservaestoque-operador"},
            proxy=self.info.proxy_url,
            middlewares=[*middlewares, self.authorize],
        )

    async def authorize(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Authenticates a request, and repeats it if it is answered with 401 and the token has been replaced.

        A request that has been redirected to another server is sent without credentials.
        """
        if request.url.origin() != URL(self.info.server).origin():
            return await send(request)
        if self._clock() - self._read_at > _RENEW_SECONDS:
            self._renew_token()
        sent = self.info.as_http_headers()
        request.headers.update(sent)
        response = await send(request)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        self._renew_token()
        if self.info.as_http_headers() == sent:
            return response
        response.release()
        request.headers.update(self.info.as_http_headers())
        return await send(request)

    def _renew_token(self) -> None:
        self._read_at = self._clock()
        try:
            newest = self._read()
        except AccessError as fault:
            _log.warning("access_not_renewed", fault=str(fault))
            return
        if newest.token and replace(newest, token=self.info.token) == self.info:
            self.info = newest
        elif newest != self.info:
            _log.warning("access_not_renewed", fault="more than the token has changed; restart the operator")

    def _read(self) -> kopf.ConnectionInfo:
        source = f"KUBECONFIG={self._kubeconfig}" if self._kubeconfig else "the service account"
        login = kopf.login_with_kubeconfig if self._kubeconfig else kopf.login_with_service_account
        try:
            info = login(settings=kopf.OperatorSettings())
            if info is not None:
                _check(info)
        except yaml.MarkedYAMLError as fault:  # its text would quote the file, which contains credentials
            line = fault.problem_mark.line + 1 if fault.problem_mark is not None else 0
            raise AccessError(f"cannot read {source}: line {line}: {fault.problem}") from None
        except yaml.YAMLError as fault:
            raise AccessError(f"cannot read {source}: {type(fault).__name__}") from None
        except _UNUSABLE as fault:
            raise AccessError(f"cannot use {source}: {type(fault).__name__}: {fault}") from fault
        if info is None:
            raise AccessError("set KUBECONFIG, or run in a pod with a service account")
        return info


def _check(info: kopf.ConnectionInfo) -> None:
    """Raises whatever `_UNUSABLE` lists when requests would fail."""
    if not str(info.server).startswith(("https://", "http://")):
        raise ValueError(f"the server must begin with https:// or http://, not {info.server!r}")
    if info.proxy_url and not info.proxy_url.startswith("http"):
        raise ValueError("proxy-url must begin with http:// or https://")
    info.as_ssl_context()
    anonymous = not (info.as_http_headers() or info.certificate_path or info.certificate_data)
    if anonymous and info.server.startswith("https://"):  # http:// is that of `kubectl proxy`, which adds its own
        raise ValueError("there is no token, password or client certificate; tokenFile and exec are not supported")
