"""Any other server that speaks chat completions."""

from trunkline.ai.base import ProviderSpec
from trunkline.ai.chat.preset import HearingPreset, settings_at

PROVIDER = HearingPreset(
    ProviderSpec(
        name="compatible",
        title="Any OpenAI-compatible server",
        settings=settings_at(""),
        offline="a server of your own",
        about="Whatever answers at `COMPATIBLE_BASE_URL` as OpenAI does: `compatible/MODEL`. A key is sent if set.",
    )
)
