"""The address the world knows us by. It comes from the configuration alone: whoever sends a Host header chose it."""

_SOCKET_SCHEMES = {"https": "wss", "http": "ws"}


def http_url(base: str, target: str) -> str:
    """The public URL of a request for ``target`` (raw path and query), under ``base`` (``https://…``, no ending /)."""
    return base + target


def socket_url(base: str, target: str) -> str:
    """The same for a WebSocket upgrade: ``wss`` where ``base`` is ``https``."""
    scheme, rest = base.split("://", 1)
    return f"{_SOCKET_SCHEMES[scheme]}://{rest}{target}"
