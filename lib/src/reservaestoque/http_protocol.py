"""uvicorn's HTTP/1.1 protocol without a memory leak: the base of every port's protocol."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol; nothing keeps a closed connection and its last request in memory.

    uvicorn does not cancel the keep-alive timer of a connection that was reset.
    """

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]
        self._unset_keepalive_if_required()
