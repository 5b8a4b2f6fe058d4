"""Whose call a socket is: what a call does when the desk says that it may not be, or that the socket is another's."""

from collections.abc import Sequence

import pytest
from small_world import FRAME, STARTED, SmallCodec, World

from trunkline.call.desk import ALONE
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import Output, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio, StreamResumed

SECOND = Refused("the call is under way on another socket", status=409)


class Polite(SmallCodec):
    """Its platform has words for a stream that may not be, and is otherwise greeted."""

    refused = ""

    def refuse(self, reason: str) -> Sequence[Output]:
        self.refused = reason
        return (TextFrame(b"no"),)


class Listening(World):
    """Remembers what was said on the socket."""

    def __init__(self, codec: SmallCodec | None = None) -> None:
        self.said_texts: list[bytes] = []
        super().__init__(CallSettings(), codec=codec)

    def send_text(self, data: bytes) -> None:
        self.said_texts.append(data)


def test_a_stream_that_may_not_be_is_closed_with_its_code_and_a_line_and_no_agent_is_opened() -> None:
    world = Listening()
    world.refusal = SECOND
    world.start()
    assert world.closed == [(1008, SECOND.reason)]
    (note,) = world.noted("peer at fault")
    assert (note.level, note.fields["reason"]) == ("warning", SECOND.reason)
    assert world.agent.opened == 0
    assert world.record is not None
    assert (world.record.state, world.record.call_id) == (CallState.FAILED, "")


def test_a_platform_that_has_words_for_it_hears_them_in_the_place_of_the_welcome() -> None:
    codec = Polite()
    codec.replies.append(TextFrame(b"welcome"))
    world = Listening(codec)
    world.refusal = SECOND
    world.start()
    assert world.said_texts == [b"no"]
    assert codec.refused == SECOND.reason
    assert [code for code, _ in world.closed] == [1008]


def test_what_still_comes_on_a_refused_socket_means_nothing() -> None:
    world = World()
    world.refusal = SECOND
    world.start()
    world.happen(AudioHeard(FRAME))
    world.happen(RemoteError("nonsense"))
    world.refusal = None
    world.start()
    assert len(world.noted("peer at fault")) == 1
    assert world.agent.opened == 0


def test_a_socket_that_another_call_takes_is_let_go_without_a_word() -> None:
    world = Listening()
    world.takes = True
    world.happen(StreamResumed("call"))
    assert world.handed_over == ["call"]
    world.happen(AudioHeard(FRAME))
    world.run(10, caller=False)  # past the time by which a stream must have started
    assert (world.closed, world.said_texts) == ([], [])
    assert world.agent.opened == 0


def test_a_call_that_is_not_there_can_not_be_resumed() -> None:
    world = World()
    world.happen(StreamResumed("call"))
    assert [code for code, _ in world.closed] == [1008]
    assert world.record is not None
    assert world.record.end_reason == "the call to resume is not under way"


def test_the_desk_is_asked_once() -> None:
    world = World()
    world.start()
    world.refusal = SECOND
    world.run(1)
    world.happen(STARTED)  # a second one on the same socket is a fault of its own
    assert world.closed == [(1002, "a second start")]


def test_a_call_beside_which_there_are_no_others_enters_freely_and_resumes_nothing() -> None:
    ALONE.enter("call")
    assert not ALONE.hand_over("call")


@pytest.mark.parametrize("late", [AudioHeard(FRAME), RemoteError("late"), STARTED], ids=["audio", "fault", "start"])
def test_a_call_that_is_over_hears_nothing_more(late: AudioHeard | RemoteError) -> None:
    world = World()
    world.start()
    world.bridge.end("enough", world.now)
    world.bridge.lost("gone", world.now)
    assert world.record is not None
    notes = len(world.notes)
    world.happen(late)
    assert len(world.notes) == notes
    assert not world.commands(PlayAudio)
