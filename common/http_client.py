"""HTTP to the other services."""

import httpx

from common.sockets import OPTIONS


def new_client(base_url: str) -> httpx.AsyncClient:
    """For a process of its own: within one process an application is asked without sockets."""
    return httpx.AsyncClient(base_url=base_url, transport=httpx.AsyncHTTPTransport(socket_options=OPTIONS))
