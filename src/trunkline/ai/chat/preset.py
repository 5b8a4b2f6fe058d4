"""A vendor whose model server speaks chat completions: a name, an address, a few defaults. No code of its own."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from trunkline import logs
from trunkline.ai import transcription
from trunkline.ai.base import AgentSettings, Llm, ProviderSpec, Stt
from trunkline.ai.chat.account import Account, Dialect, Wishes
from trunkline.ai.chat.llm import Chat
from trunkline.ai.keys import KeyAnswer, KeyQuestion, ask, check_key
from trunkline.ai.standin import Play
from trunkline.errors import ConfigError

_log = logs.get(__name__)


class ChatSettings(Wishes, frozen=True):
    """What can be set of a chat-completions server, beside what is asked of its model."""

    api_key: str = ""
    base_url: str = ""


class Preset:
    """A ``PROVIDER`` of language models."""

    def __init__(
        self,
        spec: ProviderSpec,
        dialect: Dialect = Dialect(),  # noqa: B008 - frozen
        *,
        path: str = "/v1",  # at which the vendor has it
    ) -> None:
        self.spec = spec
        self.dialect = dialect
        self.path = path

    def account(self, own: ChatSettings) -> Account:
        """Where the settings lead. Servers of one's own know no keys, but clients that send one are usual."""
        headers = {"Authorization": f"Bearer {own.api_key}"} if own.api_key else {}
        return Account(self.spec.name, own.base_url, headers)

    def llm(self, settings: AgentSettings) -> Llm:
        """Raises ``ConfigError`` where no model is named, or no server."""
        own, model = self.named(settings, self.spec.models[0] if self.spec.models else "")
        return Chat(
            self.account(own),
            model,
            wishes=own,
            dialect=self.dialect,
            others=settings.has_standby,
            check=partial(self.check, own),
        )

    def named(self, settings: AgentSettings, default: str) -> tuple[ChatSettings, str]:
        """The provider's own settings, and the model that is asked for. Raises ``ConfigError``."""
        own: Any = settings.own or self.spec.settings()
        model = settings.model or default
        if not model:
            raise ConfigError(f"which model? {self.spec.title} is named as {self.spec.name}/MODEL")
        if not own.base_url:
            raise ConfigError(f"{self.spec.name.upper()}_BASE_URL is not set: where is the server?")
        return own, model

    async def check(self, own: ChatSettings) -> None:
        """Tries the key, or whether a server without keys is there. Raises ``ConfigError``."""
        question = self.key_question(own)
        if self.spec.key:
            await check_key(self.spec, question)
        elif await ask(question) is KeyAnswer.UNREACHABLE:
            _log.warning("model server not reachable yet", provider=self.spec.title)

    def key_question(self, own: ChatSettings) -> KeyQuestion:
        """For ``trunkline doctor``."""
        return self.account(own).key_question

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        """The vendor's end, simulated."""
        from trunkline.ai.chat.standin import routes

        return routes(play, self.path)

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        """What leads there."""
        return {"base_url": base_url + self.path, "api_key": "simulated"}


class HearingPreset(Preset):
    """A ``PROVIDER`` that writes down what is said, too. ``recogniser``: the model that does, unless one is named."""

    def __init__(
        self,
        spec: ProviderSpec,
        dialect: Dialect = Dialect(),  # noqa: B008 - frozen
        *,
        path: str = "/v1",
        recogniser: str = "",
    ) -> None:
        super().__init__(spec, dialect, path=path)
        self.recogniser = recogniser

    def stt(self, settings: AgentSettings) -> Stt:
        """Raises ``ConfigError`` where no model is named, or no server."""
        own, model = self.named(settings, self.recogniser)
        return transcription.stt(self.account(own), model, settings, check=partial(self.check, own))

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        """The vendor's end, simulated."""
        from trunkline.ai.transcription_standin import transcription_routes

        return [*super().stand_in(play), *transcription_routes(play, self.path)]


def settings_at(base_url: str) -> type[msgspec.Struct]:
    """``ChatSettings`` whose server is at ``base_url`` unless told otherwise."""
    return msgspec.defstruct("ChatSettings", [("base_url", str, base_url)], bases=(ChatSettings,), frozen=True)
