"""Who may use the HTTP interface: whoever shows the token, and nobody where there is none."""

import hmac
from typing import Final

from trunkline.errors import Refused

SETTING: Final = "TRUNKLINE_API_TOKEN"
_SCHEME: Final = "Bearer "


class ApiToken:
    """Checks ``Authorization`` headers. ``insecure`` lets everybody in."""

    def __init__(self, token: str, *, insecure: bool = False) -> None:
        self._token = token
        self._insecure = insecure

    def check(self, authorization: str) -> None:
        """Return if the header shows the token; raises ``Refused``, whose reason is for the log."""
        if self._insecure:
            return
        if not self._token:
            raise Refused(f"{SETTING} is not set, so nobody can show it", status=401)
        if authorization[: len(_SCHEME)].lower() != _SCHEME.lower():
            raise Refused("no bearer token", status=401)
        shown = authorization[len(_SCHEME) :].strip().encode("utf-8", "replace")
        if not hmac.compare_digest(shown, self._token.encode()):
            raise Refused(f"the bearer token is not {SETTING}", status=401)
