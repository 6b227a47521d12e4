"""One form of a conversation that every server takes: chat templates and APIs refuse what the others allow.

At most one system message, the first; then the user and the assistant by turns, beginning and ending with the user;
and no message without text.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.language_model import Message

NO_REPLY = "(no reply)"
_BEGINS = "(The conversation begins.)"
_GO_ON = "(Go on with what was asked above.)"


def conversation(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages in that form. Nothing that was said is left out.

    The texts of system messages are joined, wherever they stood, and so are messages of one role in a row. An empty
    reply of the assistant becomes "(no reply)", and an empty message of anybody else is dropped. Where the user did
    not begin, or does not end it, a short message of his does.

    A conversation in this form that goes on by turns is the same with more at its end, so that prompt caches hit.
    """
    if _has_form(messages):
        return tuple(messages)
    system: list[Message] = []
    turns: list[Message] = []
    for message in messages:
        if _empty(message):
            if message.role != "assistant":
                continue
            message = Message("assistant", NO_REPLY)
        if message.role == "system":
            system.append(message)
            continue
        if turns and turns[-1].role == message.role:
            message = _joined((turns.pop(), message))
        turns.append(message)
    if not turns or turns[0].role == "assistant":
        turns.insert(0, Message("user", _BEGINS))
    if turns[-1].role == "assistant":
        turns.append(Message("user", _GO_ON))
    return (_joined(system), *turns) if system else tuple(turns)


def continued(form: tuple[Message, ...], new: Sequence[Message]) -> tuple[Message, ...] | None:
    """A conversation in that form with new messages at its end; None where it must be formed anew.

    The same as `conversation` gives of all, without a look at what was said before.
    """
    last = form[-1].role
    if form[-1].content == _GO_ON:  # which stands for what comes now
        return None
    for message in new:
        if message.role == "system" or message.role == last or _empty(message):
            return None
        last = message.role
    return form + tuple(new) if last == "user" else None


def _has_form(messages: Sequence[Message]) -> bool:
    """Whether nothing is to be done. Most conversations have it, those of all plain sub-calls among them."""
    turn = "user"
    for place, message in enumerate(messages):
        if message.role == turn:
            turn = "assistant" if turn == "user" else "user"
        elif place or message.role != "system":
            return False
        if _empty(message):
            return False
    return turn == "assistant"


def _joined(messages: Sequence[Message]) -> Message:
    if len(messages) == 1:
        return messages[0]
    images = tuple([image for message in messages for image in message.images])
    return Message(messages[0].role, "\n\n".join(message.content for message in messages), images=images)


def _empty(message: Message) -> bool:
    if message.images:
        return False
    return not message.content or message.content.isspace()  # not strip, which copies what may be long
