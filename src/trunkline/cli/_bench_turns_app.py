"""The application that ``trunkline bench turns`` measures: a cascade of three vendors, which the environment leads to
their stand-ins."""

from trunkline import Agent, serve

serve(
    Agent(
        "You answer the phone. One short sentence.",
        stt="deepgram/flux-general-en",
        llm="openai/stand-in",
        tts="cartesia/sonic-3.5",
        greeting="Hello.",
    )
)
