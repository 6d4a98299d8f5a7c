"""``queue``: look at messages, and decide what becomes of them."""

from dataclasses import replace

import click

from gateway.cli import queue_act, queue_quarantine, queue_view


@click.group()
@click.option("--news", "is_news", is_flag=True, help="Articles of news instead, by their feeds.")
@click.pass_context
def queue(context: click.Context, *, is_news: bool) -> None:
    """Messages that wait to be sent (outbox) or to be delivered (inbox), and dead letters."""
    context.obj = replace(context.obj, is_news=is_news)


for _command in (
    queue_view.list_command,
    queue_view.show_command,
    queue_act.hold,
    queue_act.release,
    queue_act.retry,
    queue_act.expire,
    queue_act.drop,
    queue_act.move,
    queue_act.replay,
    queue_quarantine.quarantine,
):
    queue.add_command(_command)
