"""``route``: say where mail for an address goes, and how it travels, without touching anything."""

from datetime import datetime

import click

from gateway.batch.choices import make_find_choices
from gateway.cli.commands import Invocation
from gateway.daemon.mail_ways import explain_arrival, make_find_way
from gateway.errors import BadAddress
from gateway.exits import DATA, OK
from gateway.ids import NodeId
from gateway.message.address import check_mailbox, check_sender
from gateway.receive.admission import Arrival
from gateway.routing.urgency import Urgency
from gateway.status.route_text import Ways, route_lines


@click.command()
@click.argument("address")
@click.option("--size", "size_bytes", type=click.IntRange(min=0), help="Of a message to be sent, in bytes.")
@click.option(
    "--urgency",
    type=click.Choice([urgency.value for urgency in Urgency]),
    default=Urgency.NORMAL.value,
    help="Of that message.",
)
@click.option(
    "--from", "from_node", metavar="NODE", help="Say as well what becomes of mail that NODE brings."
)
@click.option("--sender", default="", metavar="ADDRESS", help="Of what NODE brings; null if left out.")
@click.pass_obj
def route(
    invocation: Invocation,
    *,
    address: str,
    size_bytes: int | None,
    urgency: str,
    from_node: str | None,
    sender: str,
) -> int:
    """Say where mail for ADDRESS goes, which rule says so, and how it travels there."""
    config = invocation.load()
    try:
        check_mailbox(address, is_utf8_allowed=True)
        check_sender(sender)
    except BadAddress as error:
        click.echo(str(error))
        return DATA
    book = config.nncp.book

    def via_of(node_id: NodeId) -> tuple[str, ...]:
        node = book.find_id(node_id)
        return () if node is None else tuple(book.find(hop.text).name for hop in node.via)

    find_choices = make_find_choices(lambda name: book.find(name).id, config.batch, config.limits)
    moment = datetime.now()  # noqa: DTZ005 - windows are those of the clock on the wall
    ways = Ways(config.table, find_choices, config.batch, via_of, moment, config.delivery.text_for)
    for line in route_lines(ways, address, size_bytes, Urgency(urgency)):
        click.echo(line)
    if not config.table.names(address):
        click.echo(f"to make a rule: nncp-gateway accept NODE --domain DOMAIN, or [[route]] in {config.path}")
    if from_node is not None:
        find_way = make_find_way(config.table, find_choices)
        arrival = Arrival(sender, size_bytes or 0, urgency=Urgency(urgency))
        click.echo(explain_arrival(config.receive, find_way, book.find(from_node), arrival, address))
    return OK
