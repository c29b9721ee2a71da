"""The API server over HTTPS, where a kubectl process for each request would cost too much."""

import ssl

import httpx

from local_system.layout import Layout
from local_system.ports import HOST


def client(layout: Layout) -> httpx.Client:
    """A client that is the administrator. Raises OSError until kube-apiserver has created its certificate."""
    return httpx.Client(
        base_url=f"https://{HOST}:{layout.ports.kube_apiserver}",
        headers={"Authorization": f"Bearer {layout.secrets['kubernetes-admin']}"},
        verify=ssl.create_default_context(cafile=layout.state / "kube-apiserver" / "apiserver.crt"),
        timeout=30,
        trust_env=False,
    )
