"""The table of commands; the module of a command is imported when it is run."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import __version__
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config.gateway_toml import GatewayConfig
    from gateway.daemon.news_parts import NewsParts
    from gateway.daemon.parts import Parts
    from gateway.msgqueue.store import Queue

_MODULES: Mapping[str, tuple[str, str]] = {
    "init": ("gateway.cli.init", "make keys, both configuration files and directories"),
    "invite": ("gateway.cli.pair", "print the block to give to a neighbour"),
    "accept": ("gateway.cli.pair", "make a neighbour known from its block"),
    "check": ("gateway.cli.check", "see whether configuration and permissions are in order"),
    "route": ("gateway.cli.route", "say where mail for an address goes, and how"),
    "serve": ("gateway.cli.serve", "run everything in one process"),
    "send": ("gateway.cli.send", "take in one message from standard input"),
    "pipe": ("gateway.cli.pipe", "take in mail as sendmail, rmail, rsmtp or uux do"),
    "news-channel": ("gateway.cli.news_channel", "take in the articles of a channel feed of INN"),
    "news-feeds": ("gateway.cli.news_feeds", "show what each feed of news gets, and asked for"),
    "receive": ("gateway.cli.receive", "handle of an NNCP tosser: take in a batch or a message"),
    "batch": ("gateway.cli.steps", "make packets of what waits, as far as it is due"),
    "flush": ("gateway.cli.steps", "make packets of all that waits, now"),
    "xfer": ("gateway.cli.steps", "flush, then exchange packets through a directory"),
    "toss": ("gateway.cli.steps", "do what the received packets ask for"),
    "deliver": ("gateway.cli.steps", "deliver the mail that was received"),
    "report": ("gateway.cli.steps", "tell senders of mail that failed, expired or waits for long"),
    "queue": ("gateway.cli.queue_tools", "look at messages, hold, release, move, drop them ..."),
    "status": ("gateway.cli.status_view", "look at the links with neighbours"),
    "passwd": ("gateway.cli.passwd", "say who may submit mail, and with which password"),
    "links": ("gateway.cli.links", "make the NNCP commands, or those for mail, links to this program"),
    "demo": ("gateway.cli.demo", "show two nodes at work, in a temporary directory"),
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the options before the command said.

    Args:
        given_path: of ``gateway.toml``, or None.
        environ: the environment.
        is_news: ``queue`` is to look at articles.
    """

    given_path: str | None
    environ: Mapping[str, str]
    is_news: bool = False

    @property
    def path(self) -> Path:
        """The path of ``gateway.toml`` that counts."""
        from gateway.config.gateway_place import chosen_path  # noqa: PLC0415 - see load

        return chosen_path(self.given_path, self.environ)

    def load(self) -> "GatewayConfig":
        """Read the configuration.

        Raises:
            ConfigError: it can't be used.
        """
        # The schema takes a tenth of a second to import; --help needs none of it.
        from gateway.config.gateway_toml import load_gateway_config  # noqa: PLC0415

        return load_gateway_config(self.path, self.environ)

    def queue_of(self, parts: "Parts") -> "Queue":
        """The queue that is meant.

        Raises:
            ConfigError: that of news, and there is no news.
        """
        return self.news_of(parts).queue if self.is_news else parts.queue

    @staticmethod
    def news_of(parts: "Parts") -> "NewsParts":
        """What is opened for news.

        Raises:
            ConfigError: there is no news.
        """
        if parts.news is None:
            raise ConfigError("there is no news here: pathhost in [news] of gateway.toml is missing")
        return parts.news

    def open(self, *, is_pipe: bool = False) -> "Parts":
        """Read the configuration, set up logging, and open queue and spool.

        Args:
            is_pipe: a mail server reads what is printed: nothing but warnings go to standard error.

        Raises:
            ConfigError: the configuration can't be used.
            StoreError: the queue can't be opened.
        """
        from gateway.daemon.identity import become_owner  # noqa: PLC0415 - see load
        from gateway.daemon.logs import set_up_logging  # noqa: PLC0415
        from gateway.daemon.parts import Parts  # noqa: PLC0415

        config = self.load()
        # All that is needed is imported by now: the owner may not be able to read the program.
        become_owner(config.state_directory)
        level = "warning" if is_pipe else config.log_level
        set_up_logging(level, config.mail_log, self.environ, is_pipe=is_pipe)
        return Parts(config, self.environ)


class _Commands(click.Group):
    """All commands, known by name and purpose before they are imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*_MODULES, "nncp"]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        found = _MODULES.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(importlib.import_module(found[0]), cmd_name.replace("-", "_"))
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        rows = [(name, purpose) for name, (_, purpose) in _MODULES.items()]
        rows.append(("nncp", "the NNCP commands: nncp exec, nncp toss, nncp xfer ... as nncp-exec and so on"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="nncp-gateway %(version)s")
@click.option(
    "-c",
    "--config",
    "given_path",
    metavar="FILE",
    help="The gateway.toml to use; else $NNCP_GATEWAY_CONFIG, else /etc/nncp-gateway/gateway.toml.",
)
@click.pass_context
def COMMANDS(context: click.Context, given_path: str | None) -> None:  # noqa: N802 - a table, not a call
    """Mail over NNCP: SMTP in, encrypted packets between, a mail server or a Maildir out."""
    context.obj = Invocation(given_path, context.obj)
