"""vLLM: a model server of one's own, behind chat completions."""

from trunkline.ai.base import ProviderSpec
from trunkline.ai.chat.preset import HearingPreset, settings_at

PROVIDER = HearingPreset(
    ProviderSpec(
        name="vllm",
        title="vLLM",
        settings=settings_at("http://127.0.0.1:8000/v1"),
        offline="it is on your own machine",
        about=(
            "The model that your server was started with: `vllm/MODEL`. For functions it needs "
            "`--enable-auto-tool-choice` and a `--tool-call-parser`."
        ),
    )
)
