"""How an agent behaves when nothing is said: fillers while it thinks, questions when the caller is silent, excuses when
its providers fail."""

from typing import Any, Final, Self

import msgspec


class Manners(msgspec.Struct, frozen=True):
    """An agent's manners; the words are in English unless you give your own or ask ``in_language``."""

    filler_after_s: float = 1.2
    """The caller is told to wait when they would otherwise hear nothing for this long."""
    fillers: tuple[str, ...] = ("One moment, please.",)
    """What they are told, in turn. None: nothing."""
    fillers_per_reply: int = 1
    no_input_s: float = 8.0
    """A caller who says nothing for this long after they heard the agent is asked whether they are there; 0: never."""
    no_input_prompts: tuple[str, ...] = ("Are you still there?", "I can't hear you. Are you still there?")
    """The questions, each asked once. When all were in vain the call is ended."""
    goodbye: str = "I will hang up now. Goodbye!"
    """Before the agent ends such a call."""
    connecting: str = "I am connecting you now. One moment, please."
    """Before the agent transfers a call by itself, because the caller needs a person."""
    trouble: str = "I'm sorry, I am having trouble answering. Could you say that again?"
    """What the caller hears when the language model failed and nobody stands in for it."""
    no_answers: str = "I'm sorry, I can't answer you at the moment."
    """When it failed again. ``connecting`` follows if there is somebody to transfer the call to, else ``goodbye``."""
    deaf: str = "I'm sorry, I can't hear you any more."
    """When no recogniser is left. What follows is the same."""
    tool_timeout_s: float = 10.0
    """How long a function may keep the caller waiting."""

    @classmethod
    def in_language(cls, language: str) -> Self:
        """The defaults, in a language as ``Agent`` names it ("de", "en-us"); in English where we don't know it."""
        return cls(**_WORDS.get(language.lower().partition("-")[0], {}))


_WORDS: Final[dict[str, dict[str, Any]]] = {
    "de": {
        "fillers": ("Einen Moment bitte.",),
        "no_input_prompts": ("Sind Sie noch da?", "Ich kann Sie nicht hören. Sind Sie noch da?"),
        "goodbye": "Ich lege jetzt auf. Auf Wiederhören!",
        "connecting": "Ich verbinde Sie. Einen Moment bitte.",
        "trouble": "Entschuldigung, ich kann gerade nicht antworten. Sagen Sie das bitte noch einmal?",
        "no_answers": "Entschuldigung, ich kann Ihnen im Moment nicht antworten.",
        "deaf": "Entschuldigung, ich kann Sie nicht mehr hören.",
    },
    "es": {
        "fillers": ("Un momento, por favor.",),
        "no_input_prompts": ("¿Sigue ahí?", "No le oigo. ¿Sigue ahí?"),
        "goodbye": "Voy a colgar. ¡Adiós!",
        "connecting": "Le paso ahora mismo. Un momento, por favor.",
        "trouble": "Lo siento, tengo problemas para responder. ¿Puede repetirlo?",
        "no_answers": "Lo siento, en este momento no puedo responderle.",
        "deaf": "Lo siento, ya no le oigo.",
    },
    "fr": {
        "fillers": ("Un instant, s'il vous plaît.",),
        "no_input_prompts": ("Êtes-vous toujours là ?", "Je ne vous entends pas. Êtes-vous toujours là ?"),
        "goodbye": "Je vais raccrocher. Au revoir !",
        "connecting": "Je vous mets en relation. Un instant, s'il vous plaît.",
        "trouble": "Excusez-moi, j'ai du mal à vous répondre. Pouvez-vous répéter ?",
        "no_answers": "Excusez-moi, je ne peux pas vous répondre pour le moment.",
        "deaf": "Excusez-moi, je ne vous entends plus.",
    },
    "it": {
        "fillers": ("Un momento, per favore.",),
        "no_input_prompts": ("È ancora in linea?", "Non la sento. È ancora in linea?"),
        "goodbye": "Ora riattacco. Arrivederci!",
        "connecting": "La metto in contatto. Un momento, per favore.",
        "trouble": "Mi scusi, ho difficoltà a rispondere. Può ripetere?",
        "no_answers": "Mi scusi, al momento non posso risponderle.",
        "deaf": "Mi scusi, non la sento più.",
    },
}
