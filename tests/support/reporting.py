"""A reporter for tests, and what its reports say."""

import os
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.msgqueue.entry import Lane, Role, State
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import MessageView, list_messages
from gateway.report.reporter import Reporter, ReportSettings
from gateway.routing.table import Local, Refuse, Route, Rule, Table, ToNode
from tests.support.messages import NODE_A, NODE_B

DAY_SECONDS = 86_400.0
TABLE = Table.from_rules(
    [
        Rule("a.test", ToNode("a")),
        Rule("b.test", ToNode("b")),
        Rule("here.test", Local()),
        Rule("gone.test", ToNode("gone")),
        Rule("refused.test", Refuse("5.7.1", "no")),
    ]
)


def find_lane(route: Route) -> Lane:
    """The lanes of the nodes a and b."""
    lanes = {"a": Lane(NODE_A, 96), "b": Lane(NODE_B, 40)}
    if route.node not in lanes:
        raise UnknownNode(route.node)
    return lanes[route.node]


def name_of(node: NodeId) -> str:
    """The names of the same nodes."""
    return {NODE_A: "a", NODE_B: "b"}.get(node, node.text)


def new_reporter(queue: Queue, settings: ReportSettings | None = None) -> Reporter:
    """A reporter of the host mail.test."""
    return Reporter(
        queue,
        settings or ReportSettings("mail.test"),
        table=TABLE,
        find_lane=find_lane,
        name_of=name_of,
        rng=os.urandom,
    )


def reports_in(queue: Queue, role: Role | None = None) -> list[tuple[MessageView, EmailMessage]]:
    """The messages with the null sender that wait or are dead, with what they say."""
    found = []
    for view in list_messages(queue, role, states=tuple(State)):
        if view.sender == "" and view.message_id.endswith(".report@mail.test>"):
            raw = b"".join(queue.read_body(view.seq))
            message = message_from_bytes(raw, policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append((view, message))
    return found


def recipients_of(report: EmailMessage) -> dict[str, dict[str, str]]:
    """The fields about each recipient of a report, by its Final-Recipient without the type."""
    status = list(report.iter_parts())[1].get_payload()
    assert isinstance(status, list)
    groups = [dict(group.items()) for group in status if isinstance(group, Message)]
    return {group["Final-Recipient"].partition(";")[2]: group for group in groups[1:]}
