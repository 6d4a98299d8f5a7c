"""One node with every way in, and a neighbour for every way out: what a mail becomes on each path.

    SMTP, LMTP, sendmail, rmail, rsmtp ─→ a ─→ packets ─→ Smtp     (batch for anybody)  SMTP server
                                                       ─→ Lmtp     (between gateways)   LMTP server
                                                       ─→ Sendmail (one a packet)       sendmail command
                                                       ─→ Maildir  (between gateways)   Maildir
                                                       ─→ Exim     (batch for anybody)  exim -bS

The neighbours have capital letters in their names, which must not matter anywhere.
"""

import contextlib
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.endpoint import Client, stuffed
from tests.support.exim import EximInstance
from tests.support.gateways import CHILD_SECONDS, GatewayNode, pair
from tests.support.processes import wait_until
from tests.support.smtp_sink import SmtpSink

WAYS_IN = ("smtp", "lmtp", "sendmail", "rmail", "rsmtp")
EXITS = {"Smtp": "bsmtp", "Lmtp": "gateway", "Sendmail": "sendmail", "Maildir": "gateway", "Exim": "bsmtp"}
"""How each neighbour's mail is written."""
FAR_LIMIT_BYTES = 400_000

# Keeps what it was given; whose recipient says so, it dies of, once.
_SENDMAIL = """\
#!/bin/sh
case "$*" in
*killed*) [ -e {home}/killed ] || {{ touch {home}/killed; kill -9 $$; }} ;;
*failed*) [ -e {home}/failed ] || {{ touch {home}/failed; exit 1; }} ;;
esac
directory=$(mktemp -d {home}/got/XXXXXXXX)
printf '%s\\0' "$@" >"$directory/words"
cat >"$directory/body"
"""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail behind one of the ways out.

    Args:
        sender: of the envelope.
        content: with LF line ends and everything that was put in front.
    """

    sender: str
    content: bytes


class HostileSite:
    """The nodes; a context manager, in which the sending daemon runs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.sinks = {"Smtp": SmtpSink(), "Lmtp": SmtpSink(is_lmtp=True)}
        self.exim = EximInstance(place / "exim", "mx.exim.test", ["exim.test"])
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for sink in self.sinks.values():
            self._stack.enter_context(sink)
        self._stack.enter_context(self.exim)
        self.a = GatewayNode(self.place / "a", "a.test")
        self.a.set_toml("lmtp", 'socket = "lmtp"\n')
        self.far = {name: self._neighbour(name) for name in EXITS}
        for name, form in EXITS.items():
            pair(self.a, self.far[name], "--understands", form)
        self.bin = self.place / "bin"
        self.a.run("links", "--mail", str(self.bin))
        self._stack.enter_context(self.a.serving())
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _neighbour(self, name: str) -> GatewayNode:
        home = self.place / name
        target = {
            "Smtp": f"smtp:127.0.0.1:{self.sinks['Smtp'].port}",
            "Lmtp": f"lmtp:127.0.0.1:{self.sinks['Lmtp'].port}",
            "Sendmail": f"sendmail:{self.place}/sendmail",
            "Maildir": f"maildir:{home}/mail/{{local}}",
            "Exim": f"batch:{self.exim.rsmtp}",
        }[name]
        script = self.place / "sendmail"
        script.write_text(_SENDMAIL.format(home=self.place))
        script.chmod(0o755)
        (self.place / "got").mkdir(exist_ok=True)
        node = GatewayNode(home, f"{name.lower()}.test", "--deliver", target)
        node.set_toml("receive", f"max_message_bytes = {FAR_LIMIT_BYTES}\n")
        return node

    def hand_in(self, way: str, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Hand a mail in; its status if it was refused, else "".

        Args:
            way: of WAYS_IN.
            sender: "" is the null sender.
            recipients: all of one message.
            content: for SMTP and LMTP just as it goes over the wire behind DATA, else as the pipe gets it.
        """
        if way in {"smtp", "lmtp"}:
            return self._by_smtp(way, sender, recipients, content)
        words = ["-G", "-i", "-f", sender] if way == "sendmail" else []
        words += [] if way == "rsmtp" else ["--", *recipients]
        if way == "rmail":
            content = b"From %s Fri Nov 20 10:00:00 2026\n" % (sender or "<>").encode() + content
        return self._by_pipe(way, words, content)

    def _by_smtp(self, way: str, sender: str, recipients: Sequence[str], wire: bytes) -> str:
        address = self.a.port() if way == "smtp" else self.a.home / "lmtp"
        options = "" if f"{sender}{recipients}".isascii() else " SMTPUTF8"
        with Client(address) as client:
            client.answer()
            client.command("EHLO client.test" if way == "smtp" else "LHLO client.test")
            answers = [client.command(f"MAIL FROM:<{sender}> BODY=8BITMIME{options}")]
            answers += [client.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
            if all(code == 250 for code, _ in answers):
                assert client.command("DATA")[0] == 354
                answers = [client.content(wire)]
                answers += [client.answer() for _ in recipients[1:] if way == "lmtp"]
                # Whatever stood behind an end that is none would be answered now.
                assert client.command("NOOP")[0] == 250
        statuses = {text.split()[0] for code, text in answers if code != 250}
        return " ".join(sorted(statuses))

    def _by_pipe(self, name: str, words: Sequence[str], content: bytes) -> str:
        done = subprocess.run(
            [self.bin / name, *words], input=content, capture_output=True, check=False, timeout=CHILD_SECONDS,
            env={"PATH": os.defpath}, cwd="/",
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode()
        assert done.returncode in {0, 65, 67, 75, 77}, f"{name} ended with {done.returncode}: {said}"
        return said.split()[0] if done.returncode else ""

    def carry(self) -> None:
        """Bring all mail to the far side and deliver it; what fails there comes back."""
        stick = self.place / "stick"
        self.a.carry_to(self.far["Smtp"], stick)
        for node in self.far.values():
            node.run("xfer", "--rx", str(stick))
            node.run("toss")
            node.run("deliver", is_checked=False)
            node.run("report")
            node.carry_to(self.a, stick)

    def deliver_again(self, name: str) -> None:
        """Try at once what a neighbour has not got rid of."""
        self.far[name].run("queue", "retry", "--all", is_checked=False)
        self.far[name].run("deliver", is_checked=False)

    def arrived(self, exim_count: int) -> dict[str, list[Arrived]]:
        """Everything that is behind the ways out, by recipient."""
        found: dict[str, list[Arrived]] = defaultdict(list)
        for sink in self.sinks.values():
            for message in sink.messages:
                data = b"\n" + message.data
                assert re.search(rb"(?<!\r)\n|\r(?!\n)|\0", message.data) is None, "not in lines"
                content = data.replace(b"\r\n", b"\n").replace(b"\n..", b"\n.")[1:]
                sender = message.mail[len("MAIL FROM:<") :].rpartition(">")[0]
                for recipient in message.recipients:
                    found[recipient].append(Arrived(sender, content))
        for directory in (self.place / "got").iterdir():
            words = (directory / "words").read_bytes().decode().split("\0")[:-1]
            assert words[:2] == ["-i", "-f"]
            assert words[3] == "--"
            for recipient in words[4:]:
                sender = "" if words[2] == "<>" else words[2]
                found[recipient].append(Arrived(sender, (directory / "body").read_bytes()))
        mailboxes = (self.place / "Maildir/mail").glob("*/new/*")
        for path in (*mailboxes, *self.exim.wait_for_messages(exim_count)):
            content = path.read_bytes()
            field = rb"(?im)^(?:x-original-to|envelope-to): (.*)$"
            back = re.search(rb"(?i)^return-path: <(.*)>$", content, re.MULTILINE)[1]  # type: ignore[index]
            for recipient in re.search(field, content)[1].decode().split(", "):  # type: ignore[index]
                found[recipient].append(Arrived(back.decode(), content))
        return found

    def dead(self) -> dict[str, str]:
        """Recipients that were refused behind the door, on either side, and with which status."""
        rows = (
            row
            for node in (self.a, *self.far.values())
            for message in node.queue("--all")
            for row in message["recipients"]
        )
        return {row["recipient"]: row["status"] for row in rows if row["state"] == "dead"}

    def wait_for_told(self, count: int) -> list[str]:
        """Recipients of which the sender was told that they failed."""

        def told() -> list[str]:
            found = re.findall(rb"(?m)^Final-Recipient: rfc822; ?(.*)$", b"\n".join(self.a.mails()))
            return [one.decode() for one in found]

        wait_until(lambda: len(told()) >= count, 60, f"{count} in reports", explain=self.a.log_text)
        return told()


def as_handed_in(way: str, sender: str, recipients: Sequence[str], content: bytes) -> bytes:
    """A mail with LF line ends as ``HostileSite.hand_in`` wants it."""
    if way in {"smtp", "lmtp"}:
        return stuffed(content.replace(b"\n", b"\r\n"))
    if way == "rsmtp":
        options = "" if f"{sender}{recipients}".isascii() else " SMTPUTF8"
        head = [f"MAIL FROM:<{sender}>{options}", *(f"RCPT TO:<{one}>" for one in recipients), "DATA", ""]
        return "\n".join(head).encode() + stuffed(content.replace(b"\n", b"\r\n")).replace(b"\r\n", b"\n")
    return content
