"""What an application says about the agent that answers its calls."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trunkline.ai.escalation import Escalation, Notify
    from trunkline.ai.manners import Manners
    from trunkline.ai.tools import Tool


@dataclass(frozen=True)
class Agent:
    """Who answers, and how. Give it to ``serve``.

    ``model`` is ``"echo"``, ``"local"`` or ``"vendor/model"``. A cascade is made by naming its parts instead:
    ``stt`` hears words, ``llm`` thinks, ``tts`` speaks, each as ``"vendor/model"``. Each of these may be several,
    preferred first: the others take over when one fails.
    """

    instructions: str
    _: KW_ONLY
    name: str = ""  # for those who hand calls over to it
    model: str | Sequence[str] = "local"
    stt: str | Sequence[str] | None = None
    llm: str | Sequence[str] | None = None
    tts: str | Sequence[str] | None = None
    tools: "Sequence[Tool]" = ()
    hands_to: "Sequence[Agent | str]" = ()  # agents it may hand a call over to; a name where they would go in a circle
    greeting: str | None = None  # spoken first, word for word
    voice: str | None = None  # in the provider's own words; of several, the first one's
    language: str = "en-us"
    manners: "Manners | None" = None  # fillers, questions to a silent caller; None: the usual, in ``language``
    transfer_to: str | None = field(default=None, repr=False)  # who a caller gets who asks for a person (private)
    escalate: "Escalation | Literal['transfer', 'notify'] | None" = None  # what happens when a caller needs a person
    on_escalation: "Notify | None" = None  # a function of yours that is then called, plain or async
