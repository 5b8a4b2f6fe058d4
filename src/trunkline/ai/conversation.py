"""What was said in a call, as its agent should remember it: the caller's words, and of its own only what was heard."""

from trunkline.ai.base import Message, Role


class Conversation:
    """The history of one call (private). The agent's line has its place from the moment the reply begins, so that what
    the caller says into it comes after it; its text is known when the reply was heard or interrupted."""

    def __init__(self, instructions: str = "") -> None:
        self._lines: list[Message] = [Message("system", instructions)] if instructions else []
        self._reply_at: int | None = None
        self.unanswered = False
        """The caller did something that no reply has been begun for."""

    def messages(self) -> tuple[Message, ...]:
        """The history so far; a reply that is under way is not in it."""
        lines = list(self._lines)
        if self._reply_at is not None:
            del lines[self._reply_at]
        return tuple(lines)

    def caller(self, role: Role, text: str = "") -> None:
        """The caller spoke or pressed a key."""
        self._lines.append(Message(role, text))
        self.unanswered = True

    def reply_begun(self) -> None:
        """The agent begins to answer all there is."""
        self._reply_at = len(self._lines)
        self._lines.append(Message("agent"))
        self.unanswered = False

    def reply_settled(self, heard_text: str) -> None:
        """So much of the reply was heard. A reply of which nothing was heard never was."""
        if self._reply_at is None:
            return
        if heard_text.strip():
            self._lines[self._reply_at] = Message("agent", heard_text)
        else:
            del self._lines[self._reply_at]
        self._reply_at = None
