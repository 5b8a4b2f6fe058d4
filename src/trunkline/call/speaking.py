"""The agent's voice on its way to the caller: converted if need be, reply by reply, into the playout."""

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat
from trunkline.call.playout import Playout


class AgentVoice:
    """Takes the agent's audio in its own format and pushes the wire's into ``playout``."""

    __slots__ = ("_convert", "_generation", "playout")

    def __init__(self, agent: AudioFormat, wire: AudioFormat, playout: Playout) -> None:
        self.playout = playout
        # Equal formats need none, but for samples of two bytes: it joins those that come cut in half.
        self._convert = None if agent == wire and wire.sample_bytes == 1 else Converter(agent, wire)
        self._generation = 0  # of the reply the converter is in

    def begin(self, generation: int) -> bool:
        """Reply ``generation`` begins. False: it is dead already."""
        if generation == self._generation:
            return True
        if not self.playout.begin(generation):
            return False
        self._generation = generation
        if self._convert is not None:
            self._convert.reset()  # what a cut reply left in the filter must not sound in the next
        return True

    def knows(self, generation: int) -> bool:
        """Whether reply ``generation`` was begun already, or is dead."""
        return generation <= self._generation or self.playout.is_dead(generation)

    def text(self, text: str, generation: int) -> None:
        """Words whose audio comes next."""
        if self.begin(generation):
            self.playout.text(text, generation)

    def push(self, audio: bytes, generation: int) -> None:
        """More of the reply's audio; of a dead reply it only gets counted."""
        if generation == self._generation or self.begin(generation):
            self.playout.push(audio if self._convert is None else self._convert.process(audio), generation)
        else:
            self.playout.push(audio, generation)

    def end(self, generation: int) -> None:
        """The reply has no more audio."""
        if not self.begin(generation):
            return
        if self._convert is not None and (tail := self._convert.flush()):
            self.playout.push(tail, generation)
        self.playout.end(generation)

    def end_all(self) -> None:
        """Whatever reply was begun last has no more audio."""
        if self._generation:
            self.end(self._generation)
