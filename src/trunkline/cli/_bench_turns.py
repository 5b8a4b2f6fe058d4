"""How long callers are kept waiting by a cascade whose vendors are stand-ins with known delays.

The gateway is a process of its own on a core of its own; the callers and the vendors' stand-ins (simulated: they have
no ears, mind or voice, only their wire and their delays) share the other.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.standin import Answer
from trunkline.cli._bench_process import Cores, check, program
from trunkline.errors import ConfigError
from trunkline.testing.load import Fleet, percentiles
from trunkline.testing.load_turns import TurnPhone, Turns
from trunkline.testing.standins import Hum, StandIns, play, standing_in

VENDORS: Final = ("deepgram", "openai", "cartesia")
"""Those of ``_bench_turns_app``."""

RAMP_PER_S: Final = 25.0
LIMIT_S: Final = 120.0

AIM_S: Final = 0.415
"""With vendors that take 260, 50 and 90 ms to their first byte, which add up to 400: at p99."""
EAGER_AIM_S: Final = 0.300
"""The same where the recogniser announces the end of a turn before it is sure."""


class TurnsPlan(msgspec.Struct, frozen=True):
    """What to measure. Delays are from a stage's beginning to its first byte."""

    calls: int = 50
    turns: int = 4  # of each caller
    stt_ms: float = 260
    model_ms: float = 50
    voice_ms: float = 90
    eager: bool = False
    eager_ms: float = 100  # from the end of speech to the recogniser's first guess that the turn is over

    @property
    def sum_ms(self) -> float:
        """What nobody can be faster than, one stage after the other."""
        return self.stt_ms + self.model_ms + self.voice_ms


class TurnsReport(msgspec.Struct, frozen=True):
    """Pauses in seconds, as the callers measured them."""

    plan: TurnsPlan
    pinned: bool
    turns: int
    unanswered: int
    interrupted: int
    refused: int
    p50: float
    p90: float
    p99: float
    longest: float
    gateway_cpu: float
    phones_cpu: float
    lag_p99: float  # by how much the callers sent too late

    @property
    def aim_s(self) -> float:
        """What p99 should not exceed."""
        return EAGER_AIM_S if self.plan.eager else AIM_S


def _answer(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
    return Answer("Certainly, we can do that for you.")


def _environment(vendors: StandIns, plan: TurnsPlan) -> dict[str, str]:
    """The settings that lead a gateway to the stand-ins, as it finds them in its environment."""
    found = {
        f"{name}_{field}".upper(): str(value) for name in VENDORS for field, value in vendors.settings(name).items()
    }
    found["DEEPGRAM_EAGER_EOT_THRESHOLD"] = "0.5" if plan.eager else "0"
    return found


async def take_turns(plan: TurnsPlan, say: Callable[[str], None]) -> TurnsReport:
    """The whole measurement."""
    check()
    cores = Cores()
    if cores.server is None:
        say("there is no second core to pin to: gateway, callers and vendors share what there is")
    simulated = play(
        ["Could you do something for me?"],
        mind=_answer,
        voice=Hum(),
        stt_ms=plan.stt_ms,
        model_ms=plan.model_ms,
        voice_ms=plan.voice_ms,
        hang_ms=plan.eager_ms,
    )
    gc.freeze()
    try:
        async with standing_in(simulated, names=VENDORS) as vendors:
            return await _measure(plan, cores, _environment(vendors, plan), say)
    finally:
        gc.unfreeze()
        cores.release()


async def _measure(
    plan: TurnsPlan, cores: Cores, environment: Mapping[str, str], say: Callable[[str], None]
) -> TurnsReport:
    found = find_spec("trunkline.cli._bench_turns_app")
    assert found is not None  # noqa: S101 - it is part of this package
    assert found.origin is not None  # noqa: S101
    serve = ("trunkline", "serve", found.origin, "--port", "0", "--insecure")
    # Starting it takes a second, in which the loop that the stand-ins are on must go on: its keys are tried.
    starting = program(*serve, cores=cores, settings=environment)
    server = await asyncio.to_thread(starting.__enter__)
    try:
        turns = Turns()
        seeds = iter(range(plan.calls))
        fleet = Fleet(server.socket_url, lambda wire, tally: TurnPhone(wire, tally, turns, next(seeds)))
        say(f"{plan.calls} calls, {plan.turns} turns each")
        await fleet.add(plan.calls, RAMP_PER_S)
        began, own, phones = time.monotonic(), server.cpu_s(), time.process_time()
        await _until_done(fleet, plan)
        seconds = time.monotonic() - began
        own, phones = server.cpu_s() - own, time.process_time() - phones
        await fleet.hang_up()
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)
    if not turns.pauses:
        raise ConfigError("no caller was answered even once")
    p50, p90, p99 = percentiles(turns.pauses, 50, 90, 99)
    return TurnsReport(
        plan=plan,
        pinned=cores.server is not None,
        turns=len(turns.pauses),
        unanswered=turns.unanswered,
        interrupted=turns.interrupted,
        refused=fleet.refused,
        p50=p50,
        p90=p90,
        p99=p99,
        longest=max(turns.pauses),
        gateway_cpu=own / seconds,
        phones_cpu=phones / seconds,
        lag_p99=percentiles(fleet.tally.lags, 99)[0],
    )


async def _until_done(fleet: Fleet[TurnPhone], plan: TurnsPlan) -> None:
    async with asyncio.timeout(LIMIT_S):
        while any(phone.live and phone.turns_done < plan.turns for phone in fleet.phones):  # noqa: ASYNC110 - rarely
            await asyncio.sleep(0.1)


def values(told: TurnsReport) -> dict[str, Any]:
    """For scripts."""
    return {**msgspec.to_builtins(told), "aim_s": told.aim_s, "sum_s": told.plan.sum_ms / 1000}
