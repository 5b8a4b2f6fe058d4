"""How long the caller waits, and for what.

Stamps are taken on the caller's monotonic clock and become stages:

    speech end ──stt──▶ transcript final ──llm──▶ first token ──tts──▶ first byte ──▶ first audio sent
    └──────────────────────────────────── total ─────────────────────────────────────────────┘
"""

import math

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """What a stage should take and what it may take, in milliseconds."""

    target_ms: float
    maximum_ms: float

    def verdict(self, ms: float) -> str:
        """``OK`` up to the maximum, ``SLOW`` beyond it."""
        return "OK" if ms <= self.maximum_ms else "SLOW"

    def __add__(self, other: "Budget") -> "Budget":
        """For two stages that are done as one."""
        return Budget(self.target_ms + other.target_ms, self.maximum_ms + other.maximum_ms)


class Budgets(msgspec.Struct, frozen=True):
    """A budget for each stage."""

    stt: Budget = Budget(260, 300)
    llm: Budget = Budget(50, 100)
    tts: Budget = Budget(90, 150)
    total: Budget = Budget(400, 700)


class TurnStamps(msgspec.Struct):
    """Moments of one turn, in seconds of one monotonic clock. None: this agent doesn't show it."""

    speech_end: float | None = None
    transcript_final: float | None = None
    model_started: float | None = None
    model_first_token: float | None = None
    model_ended: float | None = None
    synthesis_started: float | None = None
    synthesis_first_byte: float | None = None
    first_audio: float | None = None

    def stamp(self, name: str, now: float) -> None:
        """Note the moment ``name``; the first time counts."""
        if getattr(self, name) is None:
            setattr(self, name, now)


class TurnLatency(msgspec.Struct, frozen=True):
    """The stages of one turn, in milliseconds; None where a stage can't be told."""

    stt_ms: float | None = None
    llm_ms: float | None = None
    tts_ms: float | None = None
    total_ms: float | None = None
    model_ms: float | None = None  # from the model's start to its last token
    llm_at_ms: float | None = None  # when the model was asked, after the end of speech
    tts_at_ms: float | None = None  # when the voice was, likewise

    def stages(self) -> dict[str, float]:
        """The stages that are known, by their budget's name."""
        named = {"stt": self.stt_ms, "llm": self.llm_ms, "tts": self.tts_ms, "total": self.total_ms}
        return {name: ms for name, ms in named.items() if ms is not None}

    def fields(self) -> dict[str, int]:
        """All that is known, in whole milliseconds, as a line of the log has it."""
        return {name: round(ms) for name, ms in msgspec.structs.asdict(self).items() if ms is not None}


def latency_of(stamps: TurnStamps) -> TurnLatency:
    """Stages from stamps."""
    return TurnLatency(
        stt_ms=_between(stamps.speech_end, stamps.transcript_final),
        llm_ms=_between(stamps.model_started, stamps.model_first_token),
        tts_ms=_between(stamps.synthesis_started, stamps.synthesis_first_byte),
        total_ms=_between(stamps.speech_end, stamps.first_audio),
        model_ms=_between(stamps.model_started, stamps.model_ended),
        llm_at_ms=_between(stamps.speech_end, stamps.model_started),
        tts_at_ms=_between(stamps.speech_end, stamps.synthesis_started),
    )


def verdicts(latency: TurnLatency, budgets: Budgets) -> dict[str, str]:
    """``OK`` or ``SLOW`` for each stage that is known. A model that hears and speaks itself has the time of the stages
    it does as one."""
    by_name: dict[str, Budget] = msgspec.structs.asdict(budgets)
    if latency.tts_ms is None:
        by_name["llm"] += budgets.tts
        if latency.stt_ms is None:
            by_name["llm"] += budgets.stt
    return {name: by_name[name].verdict(ms) for name, ms in latency.stages().items()}


def percentile(values: list[float], q: float) -> float:
    """The ``q``-th percentile (0–100) by the nearest-rank rule. Raises ``ValueError`` on an empty list."""
    if not values:
        raise ValueError("no values to take a percentile of")
    rank = math.ceil(len(values) * q / 100)
    return sorted(values)[max(0, rank - 1)]


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, 1000 * (end - start))


class LatencyBook:
    """Which stamps belong to which reply.

    What the caller does stamps the *open* turn; the next reply that begins takes it over, and what the agent reports of
    that reply stamps it from then on.
    """

    __slots__ = ("_by_generation", "_closed_up_to", "_open")

    def __init__(self) -> None:
        self._open = TurnStamps()
        self._by_generation: dict[int, TurnStamps] = {}
        self._closed_up_to = 0

    def speech_ended(self, when: float) -> None:
        """The caller finished speaking at ``when``. A caller who goes on after a pause starts the count anew."""
        self._open = TurnStamps(speech_end=when)

    def transcript_final(self, now: float) -> None:
        """The words are known."""
        self._open.stamp("transcript_final", now)

    def of(self, generation: int) -> TurnStamps:
        """The stamps of reply ``generation``, which takes over the open turn if it is new. What comes late, of a reply
        that is over, is stamped nowhere."""
        if generation <= self._closed_up_to:
            return TurnStamps()
        stamps = self._by_generation.get(generation)
        if stamps is None:
            stamps = self._by_generation[generation] = self._open
            self._open = TurnStamps()
        return stamps

    def close(self, generation: int) -> TurnLatency | None:
        """The reply is over: its stages, if any of them is known."""
        stamps = self._by_generation.pop(generation, None)
        self._closed_up_to = max(self._closed_up_to, generation)
        for never_heard in [older for older in self._by_generation if older < generation]:
            del self._by_generation[never_heard]
        if stamps is None:
            return None
        latency = latency_of(stamps)
        return latency if latency.stages() else None
