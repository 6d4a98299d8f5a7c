"""``queue quarantine``: payloads that could not be read when they came."""

import json
from collections.abc import Callable, Sequence

import click

from gateway.cli.commands import Invocation
from gateway.cli.sure import YES, make_sure
from gateway.daemon.notify import send_wake
from gateway.daemon.parts import Parts
from gateway.daemon.stages import BATCH, DELIVER, NEWS, REPORT
from gateway.errors import UsageFault
from gateway.exits import NO_HOST, OK, UNAVAILABLE
from gateway.maillog import log_mail
from gateway.msgqueue.decisions import Ending
from gateway.receive.again import KeptPayload, KeptPayloads, KeptResult
from gateway.status.phrases import clean

_IDS = click.argument("ids", metavar="[ID]...", nargs=-1)
_ALL = click.option("--all", "is_all", is_flag=True, help="Every payload.")
_JSON = click.option("--json", "is_json", is_flag=True, help="A JSON list.")


@click.group()
def quarantine() -> None:
    """Payloads of neighbours that could not be read when they came."""


@quarantine.command("list")
@_JSON
@click.pass_obj
def list_command(invocation: Invocation, *, is_json: bool) -> None:
    """List the payloads with what is known of them, the oldest first."""
    with invocation.open() as parts:
        payloads = KeptPayloads(invocation.queue_of(parts), parts.disk).list()
    if is_json:
        found = [{"id": kept.id, "path": str(kept.path), "record": kept.fields} for kept in payloads]
        click.echo(json.dumps(found, indent=2))
        return
    for kept in payloads:
        click.echo(f"{kept.id}  {kept.path}")
        for name, value in kept.fields.items():
            click.echo(f"    {clean(name)}: {clean(value)}")


@quarantine.command()
@_IDS
@_ALL
@_JSON
@click.pass_obj
def replay(invocation: Invocation, *, ids: tuple[str, ...], is_all: bool, is_json: bool) -> int:
    """Take payloads in again, as if their packets had just come, once the cause is gone."""

    def work(parts: Parts, payloads: KeptPayloads, kept: KeptPayload) -> KeptResult:
        return payloads.replay(kept, parts.receive_again)

    return _run(invocation, ids, "replayed", work, is_all=is_all, is_json=is_json)


@quarantine.command()
@_IDS
@_ALL
@YES
@_JSON
@click.pass_obj
def drop(invocation: Invocation, *, ids: tuple[str, ...], is_all: bool, is_yes: bool, is_json: bool) -> int:
    """Remove payloads and their records."""
    if is_all and not ids:
        make_sure("queue quarantine drop", "remove all payloads of the quarantine", is_yes=is_yes)
    return _run(
        invocation,
        ids,
        "dropped",
        lambda _, payloads, kept: payloads.drop(kept),
        is_all=is_all,
        is_json=is_json,
    )


def _run(
    invocation: Invocation,
    ids: Sequence[str],
    event: str,
    work: Callable[[Parts, KeptPayloads, KeptPayload], KeptResult],
    *,
    is_all: bool,
    is_json: bool,
) -> int:
    if bool(ids) == is_all:
        raise UsageFault("say which: ids, or --all")
    with invocation.open() as parts:
        payloads = KeptPayloads(invocation.queue_of(parts), parts.disk)
        payloads.sweep()
        found = {kept.id: kept for kept in payloads.list()}
        results = [work(parts, payloads, found[each]) for each in ids or found if each in found]
        for result in results:
            if result.ending is Ending.DONE:
                log_mail(event, quarantine=result.id, text=result.text)
        send_wake(parts.config.state_directory, BATCH, DELIVER, REPORT, *NEWS)
    if is_json:
        told = [{"id": result.id, "ending": result.ending.value, "text": result.text} for result in results]
        click.echo(json.dumps(told, indent=2))
    else:
        for result in results:
            click.echo(f"{result.id}  {result.ending}: {clean(result.text)}")
    unknown = [each for each in ids if each not in found]
    for each in unknown:
        click.echo(f"there is no payload {each!r} in the quarantine", err=True)
    is_refused = any(result.ending is not Ending.DONE for result in results)
    return NO_HOST if unknown else UNAVAILABLE if is_refused else OK
