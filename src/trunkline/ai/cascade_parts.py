"""What a cascade is made of and has been told: the same for all of its calls."""

from collections.abc import Sequence

from trunkline.ai.base import Llm, Stt, Tts, Vad
from trunkline.ai.deeds import Deeds
from trunkline.ai.escalation import Escalation, Notices, check
from trunkline.ai.formats import common
from trunkline.ai.manners import Manners
from trunkline.ai.toolbox import all_tools
from trunkline.ai.tools import Tool
from trunkline.errors import ConfigError


class CascadeParts:
    """``vad`` may be left out if ``stt`` knows turns; ``stt`` where there is no recogniser. Raises ``ConfigError``."""

    def __init__(
        self,
        *,
        llm: Llm,
        tts: Tts,
        vad: Vad | None = None,
        stt: Stt | None = None,
        instructions: str = "",
        greeting: str = "",
        transfer_to: str = "",
        tools: Sequence[Tool] = (),
        manners: Manners | None = None,
        escalation: Escalation | None = None,
        deeds: Deeds | None = None,  # which are to know of every function that is called
        name: str = "cascade",
    ) -> None:
        if stt is not None and stt.turns:
            vad = None
        elif vad is None:
            raise ConfigError("a cascade needs a voice activity detector, or a recogniser that knows turns")
        all_tools(tools)  # a mistake in them stops the start, not a call
        if tools and not llm.tools:
            raise ConfigError(f"{llm.name} can't call functions: leave tools out, or choose another language model")
        self.name = name
        self.llm, self.tts, self.vad, self.stt = llm, tts, vad, stt
        self.instructions, self.greeting, self.transfer_to = instructions, greeting, transfer_to
        self.tools = tuple(tools)
        self.deeds = deeds
        self.manners = manners or Manners()
        if escalation is not None:
            check(escalation, transfer_to)
        self.escalation = escalation
        self.notices = Notices(escalation or Escalation())
        self.hears = common(part.hears for part in (vad, stt) if part is not None)
        self.speaks = tts.speaks
