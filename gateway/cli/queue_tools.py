"""``queue``: look at messages, and decide what becomes of them."""

from dataclasses import replace

import click

from gateway.cli import queue_act, queue_quarantine, queue_view

FOR_NEWS = ("list", "show", "hold", "release", "retry", "drop")


@click.group()
@click.option("--news", "is_news", is_flag=True, help=f"Articles of news instead: {', '.join(FOR_NEWS)}.")
@click.pass_context
def queue(context: click.Context, *, is_news: bool) -> None:
    """Messages that wait to be sent (outbox) or to be delivered (inbox), and dead letters."""
    if is_news and context.invoked_subcommand not in FOR_NEWS:
        raise click.UsageError(f"with --news there is: {', '.join(FOR_NEWS)}")
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
