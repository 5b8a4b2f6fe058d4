"""HTTP to vendors: clients whose connections are kept, and the one TLS context under them and under every socket.

Making a context reads some 150 certificates, which blocks the loop for tens of milliseconds. It is made once, when the
first key is tried: before the first call.
"""

import functools
import ssl
from pathlib import Path
from typing import Final

import httpx

WAITED_FOR: Final = httpx.Timeout(None, connect=2.0)
"""No limit to reading: how long an answer may take is measured where it is waited for."""

KEPT: Final = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60)
"""From one turn to the next. The number of calls is limited elsewhere."""


def client(timeout: httpx.Timeout | float = WAITED_FOR, limits: httpx.Limits = KEPT) -> httpx.AsyncClient:
    """For one vendor. Close it in the end."""
    return httpx.AsyncClient(verify=tls(), timeout=timeout, limits=limits)


@functools.cache
def tls() -> ssl.SSLContext:
    """Trusts whom the system trusts; where that knows nobody, those who come with httpx."""
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath  # looked into only when a certificate is wanted
    if not context.cert_store_stats()["x509_ca"] and not (folder and any(Path(folder).iterdir())):
        context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])  # what WebSockets begin with, too; httpx would set it while sockets use it
    return context
