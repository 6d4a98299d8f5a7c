"""``news-feeds``: what each feed of news gets, and what neighbours asked for themselves."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from gateway.cli.commands import Invocation
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.routing.feeds import Feed, Wishes


@click.command("news-feeds")
@click.option("--json", "is_json", is_flag=True, help="For programs.")
@click.pass_obj
def news_feeds(invocation: Invocation, *, is_json: bool) -> None:
    """Show what each feed gets: as configured, and as its neighbour asked for within that."""
    from gateway.msgqueue.remote import RemoteControl  # noqa: PLC0415 - --help needs none of it

    with invocation.open() as parts:
        if parts.news is None:
            raise ConfigError("there is no news here: pathhost in [news] of gateway.toml is missing")
        wishes = RemoteControl(parts.news.queue).wishes()
        rows = [_row(feed, wishes) for feed in parts.news.config.rules.feeds.feeds]
    if is_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['feed']}: {row['groups'] or 'nothing'}")
        if row["remote_control"] is not None:
            click.echo(f"  decides about: {row['remote_control']}")
            click.echo(f"  asked for: {row['wishes'] or 'nothing'}{', paused' if row['is_paused'] else ''}")


def _row(feed: "Feed", wishes: "Mapping[str, Wishes]") -> dict[str, object]:
    wish = wishes.get(feed.name)
    return {
        "feed": feed.name,
        "groups": feed.groups.text,
        "remote_control": None if feed.remote is None else feed.remote.text,
        "wishes": "" if wish is None else wish.groups.text,
        "is_paused": wish is not None and wish.is_paused,
    }
