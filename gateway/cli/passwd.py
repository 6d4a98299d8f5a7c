"""``passwd``: who may submit mail, and with which password."""

import sys
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.config.gateway_toml import GatewayConfig
from gateway.config.passphrase import ask_passphrase
from gateway.errors import StoreBusy, UsageFault
from gateway.exits import OK
from gateway.ingest.passwords import (
    PASSWORD_LIMIT_BYTES,
    check_name,
    hash_password,
    read_passwords,
    write_passwords,
)

PROMPT = "Password:"
REPEAT_PROMPT = "Repeat password:"


@click.command()
@click.argument("user", required=False)
@click.option("--delete", "is_delete", is_flag=True, help="Take the password of USER away.")
@click.option("--list", "is_list", is_flag=True, help="Print the names of all users.")
@click.option("--news", "is_news", is_flag=True, help="Of those who log in at the endpoint for news.")
@click.pass_obj
def passwd(invocation: Invocation, *, user: str | None, is_delete: bool, is_list: bool, is_news: bool) -> int:
    """Set the password with which USER submits mail; it is asked for twice, without being shown.

    Without a terminal the first line of standard input is the password. A running daemon knows it at once.
    """
    if (user is None) != is_list or (is_list and is_delete):
        raise UsageFault("allowed: USER, USER --delete, or --list")
    with invocation.open() as parts:
        path = _path_of(parts.config, is_news=is_news)
        if user is None:
            for name in sorted(read_passwords(path)):
                click.echo(name)
            return OK
        check_name(user)
        password = None if is_delete else _read_password()
        try:
            with parts.queue.lock("passwords"):
                users = read_passwords(path)
                if password is not None:
                    users[user] = hash_password(password)
                elif users.pop(user, None) is None:
                    raise UsageFault(f"there is no user {user} in {path}")
                write_passwords(path, users, parts.disk)
        except StoreBusy:
            raise StoreBusy("another passwd is at work; try again") from None
    click.echo(f"{user} {'can log in no more' if is_delete else 'can log in'}")
    return OK


def _path_of(config: GatewayConfig, *, is_news: bool) -> Path:
    if not is_news:
        return config.passwords
    if config.nntp is None:
        raise UsageFault(f"{config.path} has no endpoint for news; allowed: listen in [nntp]")
    return config.nntp.passwords


def _read_password() -> str:
    """What was typed, or the first line of standard input."""
    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline(PASSWORD_LIMIT_BYTES + 2)
        return line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    password = ask_passphrase(PROMPT)
    if ask_passphrase(REPEAT_PROMPT) != password:
        raise UsageFault("the two passwords differ")
    return password.decode("utf-8", "surrogateescape")
