"""Where mail for an address goes, and how it travels, for people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.batch.choices import Choice, FindChoices
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.routing.table import LocalRoute, Route, Table
from gateway.routing.urgency import Urgency
from gateway.schedule.window import seconds_open, seconds_until_open
from gateway.status.phrases import age_text

ViaOf = Callable[[NodeId], tuple[str, ...]]
"""The names of the nodes that packets for one travel through."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What decides about the way of mail.

    Args:
        table: routes.
        find_choices: the neighbours of a route.
        settings: how mail travels.
        via_of: through whom.
        moment: what the clock on the wall says.
        place_of: where mail for somebody here is delivered to, in words.
    """

    table: Table
    find_choices: FindChoices
    settings: BatchSettings
    via_of: ViaOf
    moment: datetime
    place_of: Callable[[str], str]


def route_lines(ways: Ways, address: str, size_bytes: int | None, urgency: Urgency) -> Iterator[str]:
    """Say all of it.

    Args:
        ways: what decides.
        address: valid, with a domain.
        size_bytes: of a message that is asked for, or None: of none.
        urgency: of that message.
    """
    yield ways.table.explain(address)
    route = ways.table.route(address)
    if isinstance(route, LocalRoute):
        yield f"goes to {ways.place_of(address)}"
    if not isinstance(route, Route):
        return
    choices = ways.find_choices(route)
    if size_bytes is not None:
        lane = choices.lane(urgency, size_bytes)
        kind = "" if urgency is Urgency.NORMAL else f"{urgency} "
        name = choices.of(size_bytes).name
        yield f"{kind}message of {size_bytes} bytes: to node {name}, niceness {lane.nice}"
    for choice in choices.ordered:
        for line in _choice_lines(choice, ways):
            yield f"node {choice.name}: {line}"


def _choice_lines(choice: Choice, ways: Ways) -> Iterator[str]:
    policy = ways.settings.policy(choice.node)
    if not choice.is_in_service:
        yield "out of service: what waits for it makes no packets"
    via = ways.via_of(choice.node)
    if via:
        yield f"packets travel through {', '.join(via)}"
    nice, large_bytes = choice.niceness, choice.niceness.large_bytes
    each = ", ".join(
        f"{urgency} mail {nice.of(urgency, 0, choice.normal)}, from {large_bytes} bytes on"
        f" {nice.of(urgency, large_bytes, choice.normal)}"
        for urgency in Urgency
    )
    yield f"niceness of {each}"
    if choice.max_bytes is not None:
        yield f"messages above {choice.max_bytes} bytes wait for a person"
    yield f"form {policy.form}, {_closing(policy)}"
    if policy.windows:
        yield f"windows {', '.join(map(str, policy.windows))}: {_window_state(policy, ways.moment)}"


def _closing(policy: LanePolicy) -> str:
    if policy.form is Form.SENDMAIL:
        return "each message in a packet of its own, at once"
    return (
        f"a batch is closed at {policy.max_count} messages, {policy.max_bytes} bytes or"
        f" {policy.max_age_seconds:g} seconds, or when a carrier leaves"
    )


def _window_state(policy: LanePolicy, moment: datetime) -> str:
    if seconds_open(policy.windows, moment) is not None:
        return "open now"
    return f"closed now but for carriers, open in {age_text(seconds_until_open(policy.windows, moment))}"
