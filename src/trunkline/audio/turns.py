"""Who waited for whom: from when each side of a call spoke to the caller's turns and what the agent made of them.

    caller  ▂▂▂▂▂▂▂▂▂▂        ▂▂▂                 ▂▂▂▂▂▂▂▂▂▂▂▂
    agent             ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂         ▂▂▂▂▂
                      ^ answered  ^ back-channel        ^ fell silent: an interruption, answered in its turn

Two sounds are all there is to go by. What a word meant is not in them: a short "stop!" is taken for a back-channel, and
a caller who speaks up just as the agent finishes for one who interrupts it.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Outcome = Literal["answered", "unanswered", "call ended", "talked over", "back-channel"]
"""answered: the agent spoke next. unanswered: the caller had to speak again, or waited in vain. call ended: too soon
after the caller's last words to tell. talked over: the caller spoke into the agent's words, and it went on.
back-channel: a word of the caller's while the agent spoke, which wants no answer."""


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """From when until when somebody sounds, in ms of the recording."""

    begin_ms: float
    end_ms: float


class TurnRules(msgspec.Struct, frozen=True):
    """What the ear takes for granted, in ms."""

    breath: float = 400  # a pause this short is inside what the agent says
    overlap: float = 40  # the agent sounds on so long after the caller began: both speak. Less is an eager caller
    back_channel: float = 700  # a word shorter than this, said while the agent speaks, wants no answer
    give_way: float = 500  # an agent that is silent by then after the caller's last word has given way to it
    patience: float = 2000  # a caller who goes on after a longer pause had been waiting for an answer


class CallerTurn(msgspec.Struct, frozen=True, gc=False):
    """The caller spoke, from ``begin_ms`` to ``end_ms``."""

    begin_ms: float
    end_ms: float
    outcome: Outcome
    response_ms: float | None = None  # from the end of speech to the agent's first sound; negative: it didn't wait
    interrupts: bool = False  # the agent was speaking
    silent_ms: float | None = None  # … and fell silent so long after the caller began; None: it didn't


RULES: Final = TurnRules()


def caller_turns(
    caller: Sequence[Stretch], agent: Sequence[Stretch], length_ms: float, rules: TurnRules = RULES
) -> list[CallerTurn]:
    """The caller's turns in a recording of ``length_ms``. Stretches are in order and don't overlap their own kind."""
    runs = _runs(agent, caller, rules)
    turns = []
    for i, (spoken, sounding) in enumerate(groups := _groups(caller, runs, rules)):
        until = next((later.begin_ms for later, run in groups[i + 1 :] if not _is_aside(later, run, rules)), length_ms)
        turns.append(_turn(spoken, sounding, runs, until, length_ms, rules))
    return turns


def _runs(agent: Sequence[Stretch], caller: Sequence[Stretch], rules: TurnRules) -> list[Stretch]:
    """What the agent says in one go: with its breaths, but not across a word of the caller's."""
    runs: list[Stretch] = []
    for stretch in agent:
        if runs and stretch.begin_ms - runs[-1].end_ms <= rules.breath:
            gap = (runs[-1].end_ms, stretch.begin_ms)
            if not any(gap[0] <= said.begin_ms and said.end_ms <= gap[1] for said in caller):
                runs[-1] = Stretch(runs[-1].begin_ms, stretch.end_ms)
                continue
        runs.append(stretch)
    return runs


def _groups(
    caller: Sequence[Stretch], runs: Sequence[Stretch], rules: TurnRules
) -> list[tuple[Stretch, Stretch | None]]:
    """The caller's turns, each with what the agent was saying when it began. A caller who goes on after a pause that
    the agent left unused is still in the same turn."""
    groups: list[tuple[Stretch, Stretch | None]] = []
    for said in caller:
        sounding = next(
            (run for run in runs if run.begin_ms < said.begin_ms and said.begin_ms + rules.overlap < run.end_ms), None
        )
        if groups and sounding is None:
            before, over = groups[-1]
            unused = not any(before.begin_ms <= run.begin_ms < said.begin_ms for run in runs)
            waited = said.begin_ms - before.end_ms > rules.patience
            if unused and not waited and not _is_aside(before, over, rules):
                groups[-1] = (Stretch(before.begin_ms, said.end_ms), over)
                continue
        groups.append((said, sounding))
    return groups


def _is_aside(said: Stretch, sounding: Stretch | None, rules: TurnRules) -> bool:
    return sounding is not None and said.end_ms - said.begin_ms < rules.back_channel


def _turn(
    said: Stretch, over: Stretch | None, runs: Sequence[Stretch], until_ms: float, length_ms: float, rules: TurnRules
) -> CallerTurn:
    """``over``: what the agent was saying when the turn began; it has until ``until_ms`` to answer."""
    begin, end = said.begin_ms, said.end_ms
    gave_way = over is not None and over.end_ms <= end + rules.give_way
    silent = over.end_ms - begin if over is not None and gave_way else None
    if _is_aside(said, over, rules):
        return CallerTurn(begin, end, "back-channel", interrupts=False, silent_ms=silent)
    if over is not None and not gave_way:
        return CallerTurn(begin, end, "talked over", interrupts=True)
    answer = next((run for run in runs if begin <= run.begin_ms < until_ms), None)
    if answer is not None:
        return CallerTurn(begin, end, "answered", answer.begin_ms - end, over is not None, silent)
    outcome: Outcome = "call ended" if length_ms - end < rules.patience else "unanswered"
    return CallerTurn(begin, end, outcome, None, over is not None, silent)
