"""How many calls one core holds: more and more of them, until they are not served well any more.

A step that fails is tried once more with new calls. A neighbour's burst of work must not decide, and a call that was
stalled once stays late to its end (an echo has no pause in which to catch up); an overloaded gateway fails twice.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Final, Self

import msgspec

from trunkline.cli._bench_process import Cores, Program, busy_s, check, program
from trunkline.testing.load import Fleet, LoadPhone, Window

# A call is served well up to here; beyond, people begin to talk over each other and hear holes.
MAX_P99_S: Final = 0.300
MAX_UNDER_RUNS: Final = 0.01
# Beyond these the load generator measures itself.
MAX_LAG_P99_S: Final = 0.010
MAX_GENERATOR_CPU: Final = 0.90

RAMP_PER_S: Final = 100.0
"""New calls per second: a busy hour's rate, and few enough not to be the load themselves."""
SETTLE_S: Final = 2.0
Say = Callable[[str], None]
"""Tells the user what is going on."""


class Plan(msgspec.Struct, frozen=True):
    """What to try."""

    start: int = 200
    step: int = 100
    most: int = 1500
    seconds: float = 5.0
    agent: str = "echo"
    agent_rate: str = "24000"


class Step(msgspec.Struct, frozen=True):
    """So many calls, and what they cost and met. Shares are of the window's time."""

    window: Window
    us_per_pair: float  # the server's processor time for one frame in and one frame out
    server_cpu: float
    others_cpu: float  # what else ran on the server's core, or was taken from it
    generator_cpu: float
    kib_per_call: float

    @property
    def generator_limits(self) -> bool:
        """The figures say nothing about the server."""
        return self.window.lag_p99 > MAX_LAG_P99_S or self.generator_cpu > MAX_GENERATOR_CPU

    @property
    def fault(self) -> str:
        """Why the calls were not served well; empty if they were."""
        window = self.window
        found = {
            f"{window.refused} refused": window.refused,
            f"{window.dropped} dropped": window.dropped,
            f"{window.astray} gave back something else": window.astray,
            "nothing came back": not window.frames,
            f"p99 {1000 * window.p99:.0f} ms": window.p99 > MAX_P99_S,
            f"under-runs {100 * window.under_runs:.1f} %": window.under_runs > MAX_UNDER_RUNS,
        }
        return ", ".join(text for text, true in found.items() if true)


class Reference(msgspec.Struct, frozen=True):
    """The bare echo and the gateway under the same number of calls."""

    calls: int
    us_per_pair: float
    gateway_us_per_pair: float

    @property
    def ratio(self) -> float:
        """What a whole call costs in units of the least it could cost."""
        return self.gateway_us_per_pair / self.us_per_pair


class CallsReport(msgspec.Struct, frozen=True):
    """The result. ``held`` is 0 where not even the first step went well, None where the generator gave out first."""

    plan: Plan
    pinned: bool
    steps: list[Step]
    references: list[Reference]
    held: int | None
    verdict: str


async def climb(plan: Plan, say: Say) -> CallsReport:
    """Run the whole measurement: the staircase, then the bare echo at its bottom and its top."""
    check()
    cores = Cores()
    if cores.server is None:
        say("there is no second core to pin to: gateway and phones share what there is, and so the figures are low")
    gc.freeze()
    gc.disable()  # the generator's own pauses; it leaves little to collect
    try:
        steps = await _gateway(plan, cores, say)
        good = [step for step in steps if not step.fault and not step.generator_limits]
        references = await _references(good, plan, cores, say)
    finally:
        gc.enable()
        gc.unfreeze()
        cores.release()
    held, verdict = judge(steps)
    return CallsReport(plan, cores.server is not None, steps, references, held, verdict)


def judge(steps: list[Step]) -> tuple[int | None, str]:
    """How many calls were held, and the sentence that says so."""
    last = steps[-1]
    held = max((step.window.calls for step in steps if not step.fault and not step.generator_limits), default=0)
    if last.generator_limits:
        return None, (
            f"the load generator, not the gateway, is the limit: no figure "
            f"(its p99 lag {1000 * last.window.lag_p99:.1f} ms, its CPU {100 * last.generator_cpu:.0f} %; "
            f"{held} calls were served well before)"
        )
    if last.fault:
        tried = last.window.calls + last.window.refused + last.window.dropped
        return held, f"one core held {held} calls; with {tried}: {last.fault}"
    return held, f"one core held {held} calls, the most that was tried"


async def _gateway(plan: Plan, cores: Cores, say: Say) -> list[Step]:
    arguments = ("trunkline", "serve", "--insecure", "--port", "0", "--agent", plan.agent)
    rate = ("--agent-rate", plan.agent_rate)
    # Refusals should be the gateway's trouble, not its configuration's.
    settings = {"TRUNKLINE_MAX_CALLS": str(plan.most + 1), "TRUNKLINE_LOG_LEVEL": "warning"}
    steps: list[Step] = []
    async with _Bench(plan, cores, say, *arguments, *rate, settings=settings) as bench:
        for calls in range(plan.start, plan.most + 1, plan.step):
            steps.append(await bench.step(calls))
            if steps[-1].fault or steps[-1].generator_limits:
                break
    return steps


async def _references(good: list[Step], plan: Plan, cores: Cores, say: Say) -> list[Reference]:
    """The bare echo under as many calls as the first and the last good step had."""
    found: list[Reference] = []
    if good:
        say("the bare echo, for comparison")
        async with _Bench(plan, cores, say, "trunkline.testing.load_reference", settings={}) as bench:
            for gateway in good[:1] + good[1:][-1:]:
                bare = await bench.step(gateway.window.calls)
                found.append(Reference(bare.window.calls, bare.us_per_pair, gateway.us_per_pair))
    return found


class _Bench:
    """A program under test and the calls to it, within a context."""

    def __init__(self, plan: Plan, cores: Cores, say: Say, *arguments: str, settings: dict[str, str]) -> None:
        self._plan = plan
        self._cores = cores
        self._say = say
        self._start = program(*arguments, cores=cores, settings=settings)
        self._server: Program
        self._fleet: Fleet[LoadPhone]
        self._empty_kib = 0

    async def __aenter__(self) -> Self:
        self._server = self._start.__enter__()
        # One short call: what is loaded or designed once is there afterwards.
        self._fleet = Fleet(self._server.socket_url, LoadPhone)
        await self._fleet.add(1, RAMP_PER_S)
        await self._fleet.measure(0.5)
        await self._fleet.hang_up()
        self._empty_kib = self._server.memory_kib()
        self._fleet = Fleet(self._server.socket_url, LoadPhone)
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._fleet.hang_up()
        finally:
            self._start.__exit__(None, None, None)

    async def step(self, calls: int) -> Step:
        """Have so many calls, and measure."""
        step = await self._try(calls)
        if step.fault or step.generator_limits:
            self._say(f"{step.fault or 'the phones are late'}: once more, with new calls")
            await self._fleet.hang_up()
            self._fleet = Fleet(self._server.socket_url, LoadPhone)
            step = await self._try(calls)
        return step

    async def _try(self, calls: int) -> Step:
        self._say(f"{calls} calls")
        await self._fleet.add(calls - self._fleet.tried, RAMP_PER_S)
        await asyncio.sleep(min(SETTLE_S, self._plan.seconds))
        server, core = self._server, self._cores.server
        own, busy, generator = server.cpu_s(), busy_s(core), time.process_time()
        window = await self._fleet.measure(self._plan.seconds)
        own, busy, generator = server.cpu_s() - own, busy_s(core) - busy, time.process_time() - generator
        return Step(
            window=window,
            us_per_pair=1e6 * own / window.frames if window.frames else float("nan"),
            server_cpu=own / window.seconds,
            others_cpu=max(0.0, busy - own) / window.seconds if core is not None else float("nan"),
            generator_cpu=generator / window.seconds,
            kib_per_call=(server.memory_kib() - self._empty_kib) / window.calls if window.calls else float("nan"),
        )
