"""Whether a vendor takes the key, asked once before the first call instead of during it."""

from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

import httpx
import msgspec

from trunkline import logs
from trunkline.ai.base import ProviderSpec
from trunkline.ai.http import client
from trunkline.errors import ConfigError

TIMEOUT_S: Final = 5.0

_log = logs.get(__name__)


class KeyQuestion(msgspec.Struct, frozen=True):
    """A cheap authenticated GET. ``headers`` hold the key; ``repr`` doesn't show them."""

    url: str
    headers: dict[str, str] = {}
    refusals: tuple[int, ...] = (401, 403)
    """The HTTP statuses by which this vendor refuses a key."""

    def __repr__(self) -> str:
        return "KeyQuestion(…)"


@runtime_checkable
class KeyedProvider(Protocol):
    """A ``PROVIDER`` whose key can be tried out: ``trunkline doctor`` does."""

    def key_question(self, own: Any) -> KeyQuestion:
        """What to ask, with these settings of the provider's own."""
        ...


class KeyAnswer(StrEnum):
    """What came of asking."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNREACHABLE = "not reachable"


async def ask(question: KeyQuestion) -> KeyAnswer:
    """Ask the vendor. Anything but a refusal from a vendor that answers is acceptance."""
    try:
        async with client(TIMEOUT_S) as http:
            answer = await http.get(question.url, headers=question.headers)
    except (httpx.HTTPError, httpx.InvalidURL):
        return KeyAnswer.UNREACHABLE
    if answer.status_code in question.refusals:
        return KeyAnswer.REFUSED
    return KeyAnswer.UNREACHABLE if answer.status_code >= 500 else KeyAnswer.ACCEPTED


async def check_key(spec: ProviderSpec, question: KeyQuestion) -> None:
    """Raises ``ConfigError`` if the vendor refuses the key. One that can't be reached now is worth a line in the log:
    a network's hiccup need not keep a gateway from starting."""
    match await ask(question):
        case KeyAnswer.REFUSED:
            raise ConfigError(f"{spec.title} refuses the key in {spec.key_setting}: get another one at {spec.key_from}")
        case KeyAnswer.UNREACHABLE:
            _log.warning("provider not reachable: its key was not checked", provider=spec.title)
        case KeyAnswer.ACCEPTED:
            pass
