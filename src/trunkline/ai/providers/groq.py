"""Groq: open models, fast, behind chat completions."""

from trunkline.ai.base import ProviderSpec
from trunkline.ai.chat.preset import HearingPreset, settings_at

PROVIDER = HearingPreset(
    ProviderSpec(
        name="groq",
        title="Groq",
        settings=settings_at("https://api.groq.com/openai/v1"),
        key="api_key",
        key_from="https://console.groq.com/keys",
        offline="llm='ollama/MODEL' with a server of your own, or the rule-made llm='receptionist'",
        models=("llama-3.1-8b-instant", "llama-3.3-70b-versatile"),
        about=(
            "Open models with a first word in tens of milliseconds. Limits count for a whole organisation, and a "
            "request with more tokens than a minute allows is refused as one too many: name another provider behind it."
            "\n\n`stt='groq/whisper-large-v3-turbo'` (or bare `groq`) sends each turn as one file: there are no words "
            "before the turn is over."
        ),
    ),
    path="/openai/v1",
    recogniser="whisper-large-v3-turbo",
)
