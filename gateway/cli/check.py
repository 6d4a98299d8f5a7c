"""``check``: look at the configuration without touching anything."""

import click

from gateway.cli.commands import Invocation
from gateway.daemon.check_endpoints import check_lmtp, check_nntp, check_submission
from gateway.exits import CONFIG, OK
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.peek import peek_counts
from gateway.nodes import SELF_NAME
from gateway.status.check import check_node


@click.command()
@click.pass_obj
def check(invocation: Invocation) -> int:
    """See whether both configuration files, the directories and their permissions are in order."""
    config = invocation.load()
    for warning in config.nncp.warnings:
        click.echo(f"warning: {warning}")
    config.nncp.apply_umask()
    findings = check_node(
        gateway_file=config.path,
        nncp_file=config.nncp.path,
        state_directory=config.state_directory,
        spool=config.nncp.spool,
    )
    findings += [*check_lmtp(config.lmtp), *check_submission(config.submission), *check_nntp(config.nntp)]
    for finding in findings:
        click.echo(f"{'error' if finding.is_fatal else 'warning'}: {finding}")
    if any(finding.is_fatal for finding in findings):
        return CONFIG
    names = [node.name for node in config.nncp.book if node.name != SELF_NAME]
    click.echo(f"{config.path}: in order")
    click.echo(f"delivered here: {', '.join(config.local_domains) or 'no domain'}")
    click.echo(f"neighbours: {', '.join(names) or 'none yet (nncp-gateway accept NAME)'}")
    counts = peek_counts(config.queue_directory)
    undecided = [
        f"{count} {state}"
        for state in (State.HELD, State.DEAD)
        if (count := sum(counts.get((role, state), 0) for role in Role))
    ]
    if undecided:
        click.echo(f"waiting for a person (nncp-gateway queue list): {', '.join(undecided)}")
    return OK
