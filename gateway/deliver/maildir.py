r"""Delivery into Maildirs: final delivery, one copy for each recipient.

A message is written to ``tmp/``, synced, and renamed into ``new/``. Its name is made of the queue id
and the number of the delivery, so a second try finds what the first one left: in ``new/``, or in
``cur/`` once a mail reader has seen it. So a crash at any moment delivers exactly once, unless the
message was moved elsewhere or deleted before the restart.

In front of the message come ``Return-Path``, ``Delivered-To`` (the mailbox) and ``X-Original-To`` (the
recipient as it was sent), and its line ends are LF, as is the custom of the local system. Nothing else
changes.

Spec: the Maildir page of qmail (maildir(5)); RFC 5321 section 4.4.
"""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.deliver.outcome import of_error
from gateway.deliver.target import Body, Job
from gateway.durable import Disk, store_errors
from gateway.errors import BadAddress, ConfigError, GatewayError
from gateway.message.address import domain_of, local_part_of, shown
from gateway.message.lines import lf_chunks
from gateway.msgqueue.entry import Outcome, QueuedMessage, Success, Verdict

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
NAME_LIMIT_BYTES = 255
"""Of one name in a directory, on every file system in use."""
NO_SUCH_USER_STATUS = "5.1.1"

_MAKING = threading.Lock()

_FIELD = re.compile(r"\{[^}]*\}|[{}]")
_ALLOWED_FIELDS = frozenset({"{domain}", "{local}"})
_NOT_IN_NAME = re.compile(r"[/\0-\x1f\x7f]")
_NOT_IN_HOST = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class MaildirTargetSettings:
    """Where Maildirs are.

    Args:
        path: absolute path of a recipient's Maildir, with ``{domain}`` (in lower case) and
            ``{local}`` (what stands before the @) in it, each as a part of a name.
        own_name: our host name, for file names.
        recipient_delimiter: what separates a detail from the local part, such as ``+``: mail for
            ``bob+lists`` goes to ``bob``. Empty: nothing does.
        is_local_folded: whether ``Bob`` and ``bob`` are one mailbox.
        is_mailbox_made: whether a missing Maildir is made; else its recipient is refused.
    """

    path: str
    own_name: str
    recipient_delimiter: str = ""
    is_local_folded: bool = True
    is_mailbox_made: bool = True


class MaildirTarget:
    """Delivers into Maildirs.

    Args:
        settings: where.
        disk: how files are written.

    Raises:
        ConfigError: the path pattern is not usable.
    """

    def __init__(self, settings: MaildirTargetSettings, disk: Disk) -> None:
        unknown = [word for word in _FIELD.findall(settings.path) if word not in _ALLOWED_FIELDS]
        if not settings.path.startswith("/") or unknown or ".." in Path(settings.path).parts:
            allowed = "an absolute path without .. in which {domain} and {local} may stand"
            raise ConfigError(f"Maildir path {settings.path!r} is not usable; allowed: {allowed}")
        self._settings = settings
        self._disk = disk
        self._host = _NOT_IN_HOST.sub("_", settings.own_name) or "localhost"

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Try to deliver messages; see ``Target``."""
        for job in jobs:
            message = job.message
            yield [
                self._deliver_one(message, recipient, f"{message.id}.{seq}.{self._host}", job.body)
                for recipient, seq in zip(message.envelope.recipients, message.delivery_seqs, strict=True)
            ]

    def close(self) -> None:
        """Nothing is kept between messages."""

    def _deliver_one(self, message: QueuedMessage, recipient: str, name: str, body: Body) -> Outcome:
        try:
            mailbox, maildir = self._locate(recipient)
            with store_errors(maildir, "deliver to"):
                if not self._settings.is_mailbox_made and not maildir.is_dir():
                    text = f"there is no mailbox for {recipient}: {maildir} does not exist"
                    return Outcome(Verdict.REFUSED, NO_SUCH_USER_STATUS, text)
                # Nobody takes a directory for there before whoever makes it has synced it.
                with _MAKING:
                    for part in ("tmp", "new", "cur"):
                        self._disk.make_directories(maildir / part, DIRECTORY_MODE)
                if _is_there(maildir, name):
                    # The rename may be younger than the last sync.
                    self._disk.sync_directory(maildir / "new")
                    return Outcome(Verdict.DELIVERED, "2.0.0", f"was in {maildir} already", Success.DELIVERED)
            self._write(maildir, name, _final_form(message, mailbox, recipient, body))
        except GatewayError as error:
            return of_error(error)
        return Outcome(Verdict.DELIVERED, "2.0.0", f"delivered to {maildir}", Success.DELIVERED)

    def _write(self, maildir: Path, name: str, chunks: Iterator[bytes]) -> None:
        temporary = maildir / "tmp" / name
        # Left by a crash: nobody else writes under this name.
        self._disk.remove(temporary, is_synced=False)
        with self._disk.create(temporary, FILE_MODE) as file:
            for chunk in chunks:
                file.write(chunk)
            file.commit(maildir / "new" / name)

    def _locate(self, recipient: str) -> tuple[str, Path]:
        """The address of the mailbox that a recipient's mail belongs in, and its Maildir.

        Raises:
            BadAddress: no mailbox can be named so.
        """
        local, domain = local_part_of(recipient), domain_of(recipient)
        delimiter = self._settings.recipient_delimiter
        if delimiter and local.find(delimiter) > 0:
            local = local[: local.find(delimiter)]
        if self._settings.is_local_folded:
            local = local.lower()
        for part in (local, domain):
            is_long = len(part.encode("utf-8")) > NAME_LIMIT_BYTES
            if not part or part.startswith(".") or is_long or _NOT_IN_NAME.search(part):
                raise BadAddress(
                    f"no mailbox can have the name {shown(part)}, of recipient {shown(recipient)}",
                    status=NO_SUCH_USER_STATUS,
                )
        fields = {"{local}": local, "{domain}": domain}
        path = _FIELD.sub(lambda match: fields[match[0]], self._settings.path)
        return f"{local}@{domain}", Path(path)


def _is_there(maildir: Path, name: str) -> bool:
    """Whether a message of that name is in the Maildir, with whatever flags."""
    if (maildir / "new" / name).exists():
        return True
    with os.scandir(maildir / "cur") as entries:
        return any(entry.name == name or entry.name.startswith(f"{name}:") for entry in entries)


def _final_form(message: QueuedMessage, mailbox: str, recipient: str, body: Body) -> Iterator[bytes]:
    front = f"Return-Path: <{message.envelope.sender}>\nDelivered-To: {mailbox}\nX-Original-To: {recipient}\n"
    yield front.encode("utf-8")
    yield from lf_chunks(body())
