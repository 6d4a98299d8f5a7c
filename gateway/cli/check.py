"""``check``: look at the configuration without touching anything."""

import click

from gateway.cli.commands import Invocation
from gateway.daemon import check_use
from gateway.daemon.check_endpoints import check_lmtp, check_nntp, check_submission
from gateway.exits import CONFIG, OK
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
    is_fatal = any(finding.is_fatal for finding in findings)
    if not is_fatal:
        findings += check_use.check_use(config)
    for finding in findings:
        click.echo(f"{'error' if finding.is_fatal else 'warning'}: {finding}")
    if is_fatal:
        return CONFIG
    names = [node.name for node in check_use.neighbours(config)]
    click.echo(f"{config.path}: in order{', but for the warnings' if findings else ''}")
    click.echo(f"daemon: {'runs' if check_use.is_served(config) else 'does not run (nncp-gateway serve)'}")
    click.echo(f"delivered here: {', '.join(config.local_domains) or 'no domain'}")
    for place in config.delivery.places[1:]:
        click.echo(f"of that, {', '.join(place.domains)}: to {place.text}")
    if len(names) > 1:
        onward = ", ".join(check_use.relayed(config))
        click.echo(f"relayed for: {onward or 'nobody (relay_to of a neighbour)'}")
    click.echo(f"neighbours: {', '.join(names) or 'none yet (nncp-gateway accept NAME)'}")
    if config.nntp is not None:
        servers = [peer.origin.name for peer in config.nntp.peers]
        click.echo(f"news servers that may bring articles: {', '.join(servers) or 'none'}")
    if waiting := check_use.undecided(config.queue_directory):
        click.echo(f"waiting for a person (nncp-gateway queue list): {', '.join(waiting)}")
    if config.news is not None and (news := check_use.undecided(config.news.queue_directory, "--news ")):
        click.echo(f"news that waits for a person (nncp-gateway queue --news list): {', '.join(news)}")
    return OK
