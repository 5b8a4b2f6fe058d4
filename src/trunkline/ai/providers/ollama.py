"""Ollama: models on a machine of one's own, behind chat completions."""

from trunkline.ai.base import ProviderSpec
from trunkline.ai.chat.account import Dialect
from trunkline.ai.chat.preset import Preset, settings_at

PROVIDER = Preset(
    ProviderSpec(
        name="ollama",
        title="Ollama",
        settings=settings_at("http://127.0.0.1:11434/v1"),
        offline="it is on your own machine",
        about=(
            "Models on your own machine: `ollama/MODEL`, whichever you have pulled. One that is not loaded yet takes "
            "seconds to its first word: keep it loaded (`keep_alive`). The length of the context is the server's "
            "(`num_ctx`); one too short cuts the instructions without a word."
        ),
    ),
    Dialect(tool_choice=False),
)
