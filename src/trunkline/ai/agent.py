"""What an application says about the agent that answers its calls."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.ai.manners import Manners
    from trunkline.ai.tools import Tool


@dataclass(frozen=True)
class Agent:
    """Who answers, and how. Give it to ``serve``.

    ``model`` is ``"echo"``, ``"local"`` or ``"vendor/model"``. A cascade is made by naming its parts instead:
    ``stt`` hears words, ``llm`` thinks, ``tts`` speaks, each as ``"vendor/model"``, or as several of them, preferred
    first: the others take over when one fails.
    """

    instructions: str
    _: KW_ONLY
    model: str = "local"
    stt: str | Sequence[str] | None = None
    llm: str | Sequence[str] | None = None
    tts: str | Sequence[str] | None = None
    tools: "Sequence[Tool]" = ()
    greeting: str | None = None  # spoken first, word for word
    voice: str | None = None  # in the provider's own words
    language: str = "en-us"
    manners: "Manners | None" = None  # fillers, questions to a silent caller; None: the usual, in ``language``
    transfer_to: str | None = field(default=None, repr=False)  # who a caller gets who asks for a person (private)
