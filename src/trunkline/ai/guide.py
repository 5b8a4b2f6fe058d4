"""What the providers say about themselves, as a page of the docs."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from trunkline.ai.base import (
    AgentProvider,
    LlmProvider,
    ProviderSpec,
    SttProvider,
    TtsProvider,
    VadProvider,
)
from trunkline.ai.standin import StandInProvider

ROLES: Final[dict[str, type]] = {
    "agent": AgentProvider,
    "stt": SttProvider,
    "llm": LlmProvider,
    "tts": TtsProvider,
    "vad": VadProvider,
}
"""What a provider can be, by the argument of ``Agent`` that names it (``vad`` is ``TRUNKLINE_VAD``)."""

HEAD: Final = """\
# Providers of AI

Who can hear, think and speak for an agent. Made from each provider's own description; `trunkline doctor` says which
keys are set, whether they are taken, and what to use without one.

```python
Agent("…", model="openai/gpt-realtime-2.1")  # one model that hears and speaks
Agent("…", stt="deepgram/flux-general-en", llm="groq/llama-3.1-8b-instant", tts="cartesia/sonic-3.5")  # a cascade
Agent("…", stt=["deepgram/flux-general-en", "cartesia/ink-2"])  # the second takes over when the first fails
Agent("…", model=["openai/gpt-realtime-2.1", "gemini/live"])  # the same with whole agents, in mid-call
```

A provider's settings are environment variables, or fields of its table in `trunkline.toml`: `DEEPGRAM_API_KEY`, or
`api_key = "…"` in `[deepgram]`. Where it says *stand-in*, the vendor's end of the wire is in the box: tests, `trunkline
demo --model` and benchmarks run against it without a key, and say so.

Where several are named, preferred first, the next one takes over as soon as one is given up, in the middle of a call: a
key that is refused, a connection that can't be made, a vendor that falls silent. An agent that takes over is told what
was said and done so far, goes on with a reply that broke off, from the word that was cut, and hears again what the
caller said that nobody answered. Who has failed is left alone by the next calls, for minutes where a key was refused.
When all of them drop at once, as when your own network blinks, they are tried again after a half, one and two seconds
before the call is given up, but for those whose key was refused or whose account is empty. What the caller says
meanwhile is heard then.
`TRUNKLINE_AGENT` and `--agent` name several with commas between them.

| provider | agent | stt | llm | tts | vad | key | stand-in |
|---|---|---|---|---|---|---|---|
"""


class Known(NamedTuple):
    """A provider and what it is found to be able to do."""

    spec: ProviderSpec
    roles: Sequence[str]
    stands_in: bool


def known(provider: object) -> Known:
    """What ``provider``, a ``PROVIDER``, is. Raises ``AttributeError`` if it says nothing about itself."""
    roles = [role for role, kind in ROLES.items() if isinstance(provider, kind)]
    spec: ProviderSpec = provider.spec  # type: ignore[attr-defined]
    return Known(spec, roles, isinstance(provider, StandInProvider))


def page(providers: Iterable[object]) -> str:
    """The page of all providers, in Markdown."""
    all_known = [known(provider) for provider in providers]
    return HEAD + "".join(map(_row, all_known)) + "".join(map(_section, all_known))


def _row(one: Known) -> str:
    able = " | ".join("yes" if role in one.roles else "" for role in ROLES)
    key = f"`{one.spec.key_setting}`" if one.spec.key_setting else "none"
    return f"| [{one.spec.name}](#{one.spec.name}) | {able} | {key} | {'yes' if one.stands_in else ''} |\n"


def _section(one: Known) -> str:
    spec = one.spec
    lines = [f"\n## {spec.name}\n", f"**{spec.title}.** {spec.about.strip()}\n"]
    if spec.models:
        models = ", ".join(f"`{model}`" for model in spec.models)
        lines.append(
            f"Models known when this was written, the default first: {models}. Others are passed on as named.\n"
        )
    if spec.key_setting:
        lines.append(f"Key: `{spec.key_setting}`, from {spec.key_from}.\n")
    if spec.offline:
        lines.append(f"Without a key or a network: {spec.offline}.\n")
    if settings := _settings(spec):
        lines.append("| setting | default |\n|---|---|\n" + settings)
    return "\n".join(lines)


def _settings(spec: ProviderSpec) -> str:
    rows = []
    for field in msgspec.structs.fields(spec.settings):
        default = "" if field.default in ("", msgspec.NODEFAULT) else f"`{field.default}`"
        rows.append(f"| `{spec.name.upper()}_{field.name.upper()}` | {default} |\n")
    return "".join(rows)
