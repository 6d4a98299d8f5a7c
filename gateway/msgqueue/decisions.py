"""What each operation of a person does to one delivery, by its state. Pure.

    operation   queued    held      dead      claimed, sent, delivered   dropped
    hold        held      =         no        no                         no
    release     =         queued    no        no                         no
    retry       queued    no        no        no                         no
    expire      dead      dead      =         no                         no
    drop        dropped   dropped   dropped   no                         =
    move        queued    held      queued    no                         no
    replay      =         =         queued    no                         no

A dead letter that was for here, and that may go on to a neighbour by now, is replayed to that neighbour.
``=``: it is so already and nothing is changed, so an operation that is done twice changes nothing the second
time. ``no``: it can't be done, and the decision says why. What is moved to a link it is too large for is held
there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.errors import BadAddress
from gateway.message.address import check_mailbox
from gateway.msgqueue.entry import HeldBy, Lane, Outcome, Role, State
from gateway.msgqueue.insertion import TOO_BIG_STATUS, SizeLimits
from gateway.msgqueue.reports import EXPIRED_STATUS

HELD_STATUS = "4.3.0"
HELD_TEXT = "held by the operator of this node"
GIVEN_UP_TEXT = "given up by the operator of this node"
DROPPED_TEXT = "dropped by the operator of this node"

Column = str | int | float | None


class Ending(StrEnum):
    """What became of one delivery."""

    DONE = "done"
    UNCHANGED = "unchanged"
    IMPOSSIBLE = "impossible"
    BUSY = "busy"
    """Impossible now; it may be possible in a moment."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery as it stands when an operation comes.

    Args:
        seq: the delivery.
        message_seq: its message.
        message_id: queue id of the message.
        role: outbox or inbox.
        sender: envelope sender.
        recipient: its address; of a dead letter it may be malformed or empty.
        node: text of the id of the node it goes to; "" in the inbox.
        nice: niceness of its lane; 0 in the inbox.
        state: where it stands.
        held_by: of a held one: what holds it.
        text: of the last outcome, or "".
        batch: id of its batch, or "".
        packet: name of the packet it is in, or "".
        first_hop: text of the id of the node in whose tx that packet was put, or "".
        size_bytes: of the message.
        has_body: whether the content is still here.
        origin_node: text of the id of the node it came from, or "".
    """

    seq: int
    message_seq: int
    message_id: str
    role: Role
    sender: str
    recipient: str
    node: str
    nice: int
    state: State
    held_by: HeldBy | None
    text: str
    batch: str
    packet: str
    first_hop: str
    size_bytes: int
    has_body: bool
    origin_node: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done to a delivery.

    Args:
        ending: whether anything is.
        state: where it stands afterwards.
        text: for people: what was done, or why nothing was.
        columns: of the delivery, and their new values, beside its state.
        is_begun_anew: its message counts as one that came just now.
    """

    ending: Ending
    state: State
    text: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    is_begun_anew: bool = False


Decide = Callable[[Standing], Decision]
Admit = Callable[[Standing], Lane | Outcome | None]
"""What would become of a delivery for here if it came now: its lane to a neighbour, why it would be refused,
or None: delivered here."""

_BEGUN: Mapping[str, Column] = {"status": "", "text": "", "held_by": None}
_ANEW: Mapping[str, Column] = {
    **_BEGUN,
    "batch": None,
    "attempts": 0,
    "crashes": 0,
    "begun": 0,
    "told": None,
    "told_by": None,
    "delay_told": None,
    "delay_told_by": None,
    "success": None,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs between the queue of mail and that of news.

    Args:
        why_no_recipient: why nothing can go to a recipient again, or None.
        expired_text: what is said of what a person gives up.
    """

    why_no_recipient: Callable[[str], str | None]
    expired_text: str


def why_no_mailbox(recipient: str) -> str | None:
    """Why mail for a recipient can't be sent, or None."""
    try:
        check_mailbox(recipient, is_utf8_allowed=True)
    except BadAddress as error:
        return str(error)
    return None


MAIL = Terms(why_no_mailbox, "a dead letter now; its sender is told")


def hold(reason: str) -> Decide:
    """Keep deliveries from going on.

    Args:
        reason: a person's, or "".
    """
    text = f"{HELD_TEXT}: {reason}" if reason else HELD_TEXT

    def decide(it: Standing) -> Decision:
        if it.state is State.HELD:
            return _unchanged(it, "it is held already")
        if it.state is not State.QUEUED:
            return _impossible(it)
        columns: dict[str, Column] = {"status": HELD_STATUS, "text": text, "held_by": HeldBy.PERSON}
        return Decision(Ending.DONE, State.HELD, text, columns)

    return decide


def release(it: Standing) -> Decision:
    """Let a held delivery go on, whatever its size."""
    if it.state is State.QUEUED:
        return _unchanged(it, "it is not held")
    if it.state is not State.HELD:
        return _impossible(it)
    return Decision(Ending.DONE, State.QUEUED, "goes on", _BEGUN)


def retry(it: Standing) -> Decision:
    """Let a waiting delivery be tried, or its lane closed, now."""
    if it.state is not State.QUEUED:
        return _impossible(it)
    where = "its lane is closed now" if it.node else "it is tried now"
    return Decision(Ending.DONE, State.QUEUED, where)


def expire(terms: Terms) -> Decide:
    """Give deliveries up as if their time were over.

    Args:
        terms: of the queue.
    """

    def decide(it: Standing) -> Decision:
        if it.state is State.DEAD:
            return _unchanged(it, "it is a dead letter already")
        if it.state not in {State.QUEUED, State.HELD}:
            return _impossible(it)
        columns: dict[str, Column] = {"status": EXPIRED_STATUS, "text": GIVEN_UP_TEXT, "held_by": None}
        return Decision(Ending.DONE, State.DEAD, terms.expired_text, columns)

    return decide


def drop(it: Standing) -> Decision:
    """Forget a delivery; nobody is told."""
    if it.state is State.DROPPED:
        return _unchanged(it, "it was dropped already")
    if it.state not in {State.QUEUED, State.HELD, State.DEAD}:
        return _impossible(it)
    text = f"{DROPPED_TEXT}; before: {it.text}" if it.text else DROPPED_TEXT
    return Decision(Ending.DONE, State.DROPPED, "dropped", {"text": text, "held_by": None})


def move(
    node: str | None, nice: int | None, limits: SizeLimits, terms: Terms, recipient: str | None = None
) -> Decide:
    """Let deliveries go to another node, or in another lane.

    Args:
        node: text of its id; None: each stays with its own.
        nice: of the lane; None: each keeps its own.
        limits: of the links.
        terms: of the queue.
        recipient: what they are for from now on; None: each keeps its own.
    """

    def decide(it: Standing) -> Decision:
        if not it.node:
            again = "; replay lets it go where the routes and rights say now" * (it.state is State.DEAD)
            return _no(it, f"it is for here: only what goes to a neighbour can be moved{again}")
        if it.state not in {State.QUEUED, State.HELD, State.DEAD}:
            return _impossible(it)
        lane = (it.node if node is None else node, it.nice if nice is None else nice)
        is_dead = it.state is State.DEAD
        if lane == (it.node, it.nice) and not is_dead:
            return _unchanged(it, "it is in this lane already")
        to = it.recipient if recipient is None else recipient
        if is_dead and (why := _why_not_again(it, to, terms)):
            return _no(it, why)
        state, text, columns = _at_new_place(it, lane[0], limits)
        columns = {"recipient": to, "node": lane[0], "nice": lane[1], **(_ANEW if is_dead else {}), **columns}
        return Decision(Ending.DONE, state, f"moved, {text}", columns, is_begun_anew=is_dead)

    return decide


def _at_new_place(it: Standing, node: str, limits: SizeLimits) -> tuple[State, str, dict[str, Column]]:
    """The state of what is moved to a node, in words too, and the columns that belong to it."""
    if it.held_by is HeldBy.PERSON or (node == it.node and it.state is not State.DEAD):
        return it.state, it.state.value, {}
    excess = limits.why_held(it.size_bytes, to=node, came_from=it.origin_node)
    if excess is None:
        return State.QUEUED, "queued", dict(_BEGUN)
    columns: dict[str, Column] = {"status": TOO_BIG_STATUS, "text": excess, "held_by": HeldBy.SIZE}
    return State.HELD, f"held: {excess}", {**columns, "operator_told": None}


def replay(admit: Admit, limits: SizeLimits, terms: Terms) -> Decide:
    """Let dead letters be tried again as if they had just come.

    Args:
        admit: asked for those that go to no neighbour.
        limits: of the links.
        terms: of the queue.
    """

    def decide(it: Standing) -> Decision:
        if it.state in {State.QUEUED, State.HELD}:
            return _unchanged(it, f"it is no dead letter: it is {it.state}")
        if it.state is not State.DEAD:
            return _impossible(it)
        if (why := _why_not_again(it, it.recipient, terms)) is not None:
            return _no(it, why)
        match None if it.node else admit(it):
            case Outcome() as refusal:
                return _no(it, f"it would be refused again: {refusal.status} {refusal.text}")
            case Lane() as lane:
                return _goes_on(it, lane, limits)
        return Decision(Ending.DONE, State.QUEUED, "queued again", _ANEW, is_begun_anew=True)

    return decide


def _goes_on(it: Standing, lane: Lane, limits: SizeLimits) -> Decision:
    """What was refused here goes to a neighbour, as if routes and rights had been these when it came."""
    state, text, columns = _at_new_place(it, lane.node.text, limits)
    columns = {"node": lane.node.text, "nice": lane.nice, **_ANEW, **columns}
    return Decision(Ending.DONE, state, f"goes on, {text}", columns, is_begun_anew=True)


def _why_not_again(it: Standing, recipient: str, terms: Terms) -> str | None:
    """Why a dead letter can't be tried again, or None."""
    if not it.has_body or it.size_bytes == 0:
        return f"its content is not here: {it.text or 'nothing of it is left'}"
    return terms.why_no_recipient(recipient)


def _unchanged(it: Standing, text: str) -> Decision:
    return Decision(Ending.UNCHANGED, it.state, text)


def _no(it: Standing, text: str) -> Decision:
    return Decision(Ending.IMPOSSIBLE, it.state, text)


def _impossible(it: Standing) -> Decision:
    ending = Ending.BUSY if it.state is State.CLAIMED else Ending.IMPOSSIBLE
    is_known = it.state is not State.SENT or it.packet
    text = _WHY_IMPOSSIBLE[it.state] if is_known else "it left in a packet that is not known any more"
    return Decision(ending, it.state, text.format(it=it))


_WHY_IMPOSSIBLE = {
    State.QUEUED: "it is not held",
    State.CLAIMED: "a packet is being made of it (batch {it.batch}): look again in a moment",
    State.HELD: "it is held: release lets it go",
    State.SENT: "it left in packet {it.packet}; as long as that is in tx, echo {it.packet} |"
    " nncp-gateway nncp rm -node {it.first_hop} -tx -pkt removes it with all that is in it",
    State.DELIVERED: "it was delivered",
    State.DEAD: "it is a dead letter: replay puts it back, drop forgets it",
    State.DROPPED: "it was dropped: nothing of it is left",
}
