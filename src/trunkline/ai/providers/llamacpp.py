"""llama.cpp: a model server of one's own, behind chat completions."""

from trunkline.ai.base import ProviderSpec
from trunkline.ai.chat.preset import Preset, settings_at

PROVIDER = Preset(
    ProviderSpec(
        name="llamacpp",
        title="llama.cpp",
        settings=settings_at("http://127.0.0.1:8080/v1"),
        offline="it is on your own machine",
        about=(
            "`llama-server` with any model: `llamacpp/MODEL`, by whatever name it has there. Its slots (`-np`) are the "
            "calls it answers at a time; functions may need `--jinja`."
        ),
    )
)
