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
_RENEW_PAUSE = 1.0
_UNUSABLE = (OSError, LookupError, AttributeError, TypeError, ValueError, kopf.LoginError)

_log = logger(__name__)


class AccessError(Exception):
    """There is neither a usable kubeconfig nor a service account."""


class Access:
    """Access with a kubeconfig or, without one, with the pod's service account.

    `info` holds the address and the credentials. A replaced token is adopted, and certificates are read again if they
    are files of their own; any other change requires a restart.
    """

    def __init__(self, kubeconfig: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`kubeconfig` is the value of the environment variable KUBECONFIG, which kopf itself reads.

        Raises AccessError.
        """
        self._kubeconfig = kubeconfig
        self._source = f"KUBECONFIG={kubeconfig}" if kubeconfig else "the service account"
        self._clock = clock
        self.info = self._read()
        self._read_at = clock()
        try:
            _check(self.info)
            self._ssl = self.info.as_ssl_context()
        except _UNUSABLE as fault:
            raise AccessError(f"cannot use {self._source}: {type(fault).__name__}: {fault}") from fault
        self._origin = URL(self.info.server).origin()

    def open_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Opens a session for requests to paths below the server's address."""
        return aiohttp.ClientSession(
            f"{self.info.server.rstrip('/')}/",
            connector=aiohttp.TCPConnector(limit=0, ssl=self._ssl),
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
        if request.url.origin() != self._origin:
            return await send(request)
        self._renew(after=_RENEW_SECONDS)
        sent = self.info.as_http_headers()
        request.headers.update(sent)
        response = await send(request)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        if self.info.as_http_headers() == sent:
            self._renew(after=_RENEW_PAUSE)
        newest = self.info.as_http_headers()
        if newest == sent:
            return response
        response.release()
        request.headers.update(newest)
        return await send(request)

    def _renew(self, *, after: float) -> None:
        """Reads the token and the files of certificates, unless that was done less than `after` seconds ago."""
        if self._clock() - self._read_at < after:
            return
        self._read_at = self._clock()
        try:
            self.info = self._with_newest_token()
            self._load_files()
        except (AccessError, *_UNUSABLE) as fault:
            _log.warning("access_not_renewed", fault=f"{type(fault).__name__}: {fault}")

    def _with_newest_token(self) -> kopf.ConnectionInfo:
        newest = self._read()
        if newest != self.info:
            _check(newest)
            if replace(newest, token=self.info.token) != self.info:
                raise AccessError(f"more than the token has changed in {self._source}")
        return newest

    def _load_files(self) -> None:
        """Adds the certificates that are in the files now; connections opened from now on use them."""
        if self.info.ca_path:
            self._ssl.load_verify_locations(self.info.ca_path)
        if self.info.certificate_path and self.info.private_key_path:
            self._ssl.load_cert_chain(self.info.certificate_path, self.info.private_key_path)

    def _read(self) -> kopf.ConnectionInfo:
        """Raises AccessError, whose text quotes nothing of the file, because that contains credentials."""
        login = kopf.login_with_kubeconfig if self._kubeconfig else kopf.login_with_service_account
        try:
            info = login(settings=kopf.OperatorSettings())
        except yaml.YAMLError as fault:
            mark = getattr(fault, "problem_mark", None)
            where = f" in line {mark.line + 1}" if mark is not None else ""
            raise AccessError(f"cannot read {self._source}: {type(fault).__name__}{where}") from None
        except _UNUSABLE as fault:
            raise AccessError(f"cannot read {self._source}: {type(fault).__name__}: {fault}") from fault
        if info is None:
            raise AccessError("set KUBECONFIG, or run in a pod with a service account; there is no token file")
        return info


def _check(info: kopf.ConnectionInfo) -> None:
    """Raises ValueError, or whatever else yarl raises, when no request could be sent."""
    for name, address in {"server": info.server, "proxy-url": info.proxy_url}.items():
        if name == "server" or address:
            url = URL(address or "")
            if url.scheme not in {"http", "https"} or not url.host:
                raise ValueError(f"{name} must be an http:// or https:// address")
    if URL(info.server).user or URL(info.server).password:
        raise ValueError("server must not contain a user or password, which logs would show")
    headers = info.as_http_headers()
    if not all(value.isprintable() for value in headers.values()):
        raise ValueError("the token contains a line feed or another control character")
    anonymous = not (headers or info.certificate_path or info.certificate_data)
    if anonymous and URL(info.server).scheme == "https":  # http is `kubectl proxy`, which adds its own
        raise ValueError("there is no token, password or client certificate; tokenFile and exec are not supported")
