"""Read ``gateway.toml`` and the NNCP configuration it names into the settings of each stage.

Contract: what is returned is complete and checked: node names are known, routes agree, paths are
absolute (relative ones are resolved against the directory of ``gateway.toml``). Everything that
is wrong is told at once, a line each: ``FILE: section.key: what is wrong; allowed: ...``.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gateway.batch.policy import BatchSettings
from gateway.carry.online.service_settings import OnlineSettings
from gateway.config.delivering import Delivery, delivery
from gateway.config.endpoints import (
    limits_of,
    lmtp_settings,
    passwords_path,
    smtp_settings,
    submission_settings,
)
from gateway.config.gateway_place import resolve_beside
from gateway.config.holding import report_settings, size_limits
from gateway.config.lanes import action_of, batch_settings
from gateway.config.news import NewsConfig, news_settings
from gateway.config.news_endpoint import nntp_settings
from gateway.config.nncp import NncpConfig, load_nncp_config
from gateway.config.receiving import receive_settings
from gateway.config.toml_errors import ALLOWED, describe_all, describe_toml, join_problems
from gateway.config.toml_schema import GatewayFile
from gateway.config.toml_values import DAY_SECONDS
from gateway.config.tossing import toss_settings
from gateway.deliver.deliverer import DeliverSettings
from gateway.deliver.retry import RetrySchedule
from gateway.errors import ConfigError, UnknownNode
from gateway.ingest.nntp_settings import NntpSettings
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.submission_settings import SubmissionSettings
from gateway.msgqueue.insertion import SizeLimits
from gateway.nodes import SELF_NAME, Node
from gateway.receive.receiver import ReceiveSettings
from gateway.report.reporter import ReportSettings
from gateway.routing.table import ANY, Local, Rule, Table
from gateway.toss.settings import TossSettings

QUEUE_NAME = "queue"
STDERR = "stderr"
_READ_HINTS: Mapping[type[OSError], str] = {
    FileNotFoundError: "; make one with nncp-gateway init, or name another with -c",
    PermissionError: "; run this as root, or as the user of the daemon",
}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything the two files say.

    Args:
        path: of ``gateway.toml``, absolute.
        hostname: our name in mail.
        nncp: the NNCP configuration.
        state_directory: our own files; the queue is below it.
        reserve_bytes: free space that new mail may not touch.
        limits: sizes above which messages are held.
        keep_finished_seconds: how long sent and delivered messages stay listed.
        keep_batch_ids_seconds: how long the ids of received batches are known.
        smtp: the endpoint for SMTP, or None: there is none.
        lmtp: the endpoint for LMTP, or None.
        submission: the endpoint for users, or None.
        passwords: the file of users, whether or not there is an endpoint for them.
        pipe: limits of what local programs hand in; where it listens means nothing.
        max_message_bytes: largest message that is taken in here, by SMTP or a pipe.
        table: routes.
        batch: in which lanes mail waits, when batches are closed, what neighbours understand.
        local_domains: domains delivered here.
        receive: limits of what neighbours send.
        deliver: retries.
        delivery: where mail for here goes.
        report: when senders are told, and how.
        toss: how packets are tossed.
        toss_interval_seconds: how often received packets are looked for.
        toss_retry_seconds: how often those that failed are tried again.
        online: calls that are taken and made.
        news: everything about news, or None: there is none.
        nntp: the endpoint for news, or None.
        mail_log: file of the mail log, or None: standard error.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
    """

    path: Path
    hostname: str
    nncp: NncpConfig
    state_directory: Path
    reserve_bytes: int
    limits: SizeLimits
    keep_finished_seconds: float
    keep_batch_ids_seconds: float
    smtp: SmtpSettings | None
    lmtp: SmtpSettings | None
    submission: SubmissionSettings | None
    passwords: Path
    pipe: SmtpSettings
    max_message_bytes: int
    table: Table
    batch: BatchSettings
    local_domains: tuple[str, ...]
    receive: ReceiveSettings
    deliver: DeliverSettings
    delivery: Delivery
    report: ReportSettings
    toss: TossSettings
    toss_interval_seconds: float
    toss_retry_seconds: float
    online: OnlineSettings
    news: NewsConfig | None
    nntp: NntpSettings | None
    mail_log: Path | None
    log_level: str

    @property
    def queue_directory(self) -> Path:
        """Where the queue is."""
        return self.state_directory / QUEUE_NAME


def load_gateway_config(path: Path, environ: Mapping[str, str]) -> GatewayConfig:
    """Read both files.

    Args:
        path: of ``gateway.toml``.
        environ: NNCPSPOOL and NNCPLOG count, NNCPCFG does not: which file it is stands in ours.

    Raises:
        ConfigError: everything that is wrong, a line each.
    """
    path = path.absolute()
    file = read_gateway_file(path)
    nncp_path = resolve_beside(path, file.node.nncp_config)
    nncp = load_nncp_config(nncp_path, environ)
    return build_config(path, file, nncp)


def read_nncp_path(path: Path) -> Path:
    """The NNCP configuration that a ``gateway.toml`` names; the file is checked like ever.

    Raises:
        ConfigError: it can't be read, or something in it is wrong.
    """
    return resolve_beside(path, read_gateway_file(path).node.nncp_config)


def build_config(path: Path, file: GatewayFile, nncp: NncpConfig) -> GatewayConfig:
    """Turn both files, as they were read, into settings.

    Raises:
        ConfigError: they do not fit together; a line for each fault.
    """
    return _Settings(path, file, nncp).build()


def read_gateway_file(path: Path) -> GatewayFile:
    """Read ``gateway.toml`` alone, as it stands.

    Raises:
        ConfigError: it can't be read, is not TOML, or has keys or values that are not allowed.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        hint = next((hint for kind, hint in _READ_HINTS.items() if isinstance(error, kind)), "")
        raise ConfigError(f"{path}: cannot be read: {error.strerror}{hint}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}") from None
    return parse_gateway_text(path, text)


def parse_gateway_text(path: Path, text: str) -> GatewayFile:
    """Read the text of a ``gateway.toml``; as ``read_gateway_file``."""
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # The parser lets what Python says of a number of thousands of digits, and of brackets in one
        # another without end, through.
        raise ConfigError(f"{path}: is not TOML: {describe_toml(str(error))}") from None
    try:
        return GatewayFile.model_validate(tree)
    except ValidationError as error:
        raise join_problems(path, describe_all(error, GatewayFile)) from None


class _Settings:
    """Turns the file into settings and gathers what does not fit together."""

    def __init__(self, path: Path, file: GatewayFile, nncp: NncpConfig) -> None:
        self._path = path
        self._file = file
        self._nncp = nncp
        self._problems: list[str] = []

    def build(self) -> GatewayConfig:
        file = self._file
        neighbours = {
            name: node
            for name in file.neighbour
            if (node := self._node(name, f"neighbour.{name}")) is not None
        }
        table = self._table()
        limits = limits_of(self._hostname(), file.smtp)
        smtp = self._gather("smtp", lambda: smtp_settings(limits, file.smtp))
        lmtp = self._gather("lmtp", lambda: lmtp_settings(self._path, limits, file.lmtp))
        state_directory = resolve_beside(self._path, file.node.state_directory)
        passwords = passwords_path(self._path, state_directory, file.submission)
        submission = self._gather(
            "submission", lambda: submission_settings(self._path, limits, passwords, file.submission)
        )
        places = self._gather("deliver", lambda: delivery(self._path, file.deliver, self._hostname()))
        self._check_areas()
        news = self._gather(
            "news", lambda: news_settings(self._path, state_directory, file, neighbours, self._nncp.book)
        )
        nntp = self._gather("nntp", lambda: nntp_settings(self._path, state_directory, file.nntp, file.news))
        if self._problems or places is None:
            raise join_problems(self._path, self._problems)
        return GatewayConfig(
            path=self._path,
            hostname=self._hostname(),
            nncp=self._nncp,
            state_directory=state_directory,
            reserve_bytes=file.queue.reserve_bytes,
            limits=size_limits({node.id: file.neighbour[name] for name, node in neighbours.items()}),
            keep_finished_seconds=file.queue.keep_finished_days * DAY_SECONDS,
            keep_batch_ids_seconds=file.queue.keep_batch_ids_days * DAY_SECONDS,
            smtp=smtp,
            lmtp=lmtp,
            submission=submission,
            passwords=passwords,
            pipe=limits,
            max_message_bytes=file.smtp.max_message_bytes,
            table=table,
            batch=batch_settings(file, neighbours),
            local_domains=_local_domains(file),
            receive=self._receive(neighbours),
            deliver=DeliverSettings(retry=_retry(file)),
            delivery=places,
            report=report_settings(
                file, self._hostname(), _local_domains(file), _retry(file).max_age_seconds
            ),
            toss=toss_settings(file.toss, self._nncp.notify),
            toss_interval_seconds=file.toss.interval_seconds,
            toss_retry_seconds=file.toss.retry_seconds,
            online=self._online(),
            news=news,
            nntp=nntp,
            mail_log=None if file.log.mail == STDERR else resolve_beside(self._path, file.log.mail),
            log_level=file.log.level,
        )

    def _hostname(self) -> str:
        return self._file.node.hostname or os.uname().nodename

    def _node(self, name: str, where: str) -> Node | None:
        try:
            node = self._nncp.book.find(name)
        except UnknownNode:
            node = None
        if node is not None and node.name != SELF_NAME:
            return node
        known = (
            ", ".join(sorted(set(self._nncp.book.nodes) - {SELF_NAME}))
            or "none yet (nncp-gateway accept NAME)"
        )
        what = "is this node itself" if node is not None else "is not a neighbour"
        self._problems.append(
            f"{where}: {name!r} {what}{ALLOWED}a name in neigh of {self._nncp.path}, which has: {known}"
        )
        return None

    def _check_areas(self) -> None:
        known = self._nncp.book.areas
        for name in sorted(set(self._file.area) - set(known)):
            allowed = (
                f"a name in areas of {self._nncp.path}, which has: {', '.join(sorted(known)) or 'none yet'}"
            )
            self._problems.append(f"area.{name}: {name!r} is not an area{ALLOWED}{allowed}")

    def _table(self) -> Table:
        rules: list[Rule] = []
        for number, route in enumerate(self._file.route, 1):
            names = route.nodes if route.node is None else [route.node]
            key = "node" if route.nodes is None else "nodes"
            if None not in [self._node(name, f"route[{number}].{key}") for name in names or ()]:
                rules.append(Rule(route.pattern, action_of(route)))
        rules += [Rule(domain, Local()) for domain in self._file.deliver.all_domains]
        return self._gather("route", lambda: Table.from_rules(rules)) or Table.from_rules([])

    def _receive(self, neighbours: Mapping[str, Node]) -> ReceiveSettings:
        book = self._nncp.book
        return receive_settings(
            self._file, self._hostname(), book.self_node.id, neighbours=neighbours, areas=book.areas
        )

    def _online(self) -> OnlineSettings:
        section = self._file.online
        return OnlineSettings(
            listen=tuple(section.listen),
            is_calling=section.calls,
            session_limit_count=section.max_connections,
            heard_on=self._nncp.discovery.listen,
            announce_seconds=self._nncp.discovery.send_seconds,
        )

    def _gather(self, where: str, build: Callable[[], Result]) -> Result | None:
        try:
            return build()
        except ConfigError as error:
            self._problems += [
                line if line.startswith(where) else f"{where}: {line}" for line in str(error).splitlines()
            ]
            return None


def _local_domains(file: GatewayFile) -> tuple[str, ...]:
    """Domains and ``.domain`` patterns that are delivered here, by either way to say so."""
    by_route = [route.pattern for route in file.route if route.local and "@" not in route.pattern]
    found = (*file.deliver.all_domains, *by_route)
    return tuple(dict.fromkeys(domain.lower() for domain in found if domain != ANY))


def _retry(file: GatewayFile) -> RetrySchedule:
    section, max_age_seconds = file.deliver, file.deliver.max_age_seconds
    return RetrySchedule(
        first_wait_seconds=section.first_wait_seconds,
        longest_wait_seconds=max(section.first_wait_seconds, section.longest_wait_seconds),
        max_age_seconds=file.report.expire_days * DAY_SECONDS if max_age_seconds is None else max_age_seconds,
        max_attempts=section.max_attempts,
    )
