"""From every real mail server to every other, as the kits set them up (``tests/support/mail_world.py``)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path

import pytest

from tests.support.endpoint import Client
from tests.support.mail_sites import Site, pairs
from tests.support.mail_trace import without_trace
from tests.support.mail_world import DAY_SECONDS, World, running_world
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def world(shared_place: Path) -> Iterator[World]:
    with running_world(shared_place) as world:
        yield world


def letter(subject: str, text: bytes = b"hello\n") -> bytes:
    """A message with LF line ends."""
    head = f"From: somebody@far.test\nTo: user@near.test\nSubject: {subject}\n"
    head += f"Date: Fri, 20 Nov 2026 10:00:00 +0000\nMessage-ID: <{subject}@test>\n\n"
    return head.encode() + text


def with_subject(site: Site, subject: str) -> list[bytes]:
    """What a site's server has delivered with this subject of its own, not within it."""
    wanted = f"\nSubject: {subject}\n".encode()
    return [mail for mail in site.mails() if wanted in mail.partition(b"\n\n")[0] + b"\n"]


def envelope_sender(mail: bytes) -> str:
    found = re.search(rb"^Return-[Pp]ath: <(.*)>$", mail, re.MULTILINE)
    assert found is not None, mail
    return found[1].decode()


ODD_TEXT = b".\n..\n.dot\nFrom here\n\n\xff\xfe 8 bits\n" + b"x" * 990 + b"\nlast\n"


def test_mail_goes_from_every_server_to_every_other_unchanged(world: World) -> None:
    """Whatever way the kits send and receive, through ours and Go: each byte and address arrives, once."""
    for one, other in pairs(world.sites):
        subject = f"from-{one.name}-to-{other.name}"
        one.submit([other.user], letter(subject, ODD_TEXT))
        one.submit(odd_names(other), letter(f"{subject}-null"), "")
    world.carriage.until(
        lambda: all(
            with_subject(other, f"from-{one.name}-to-{other.name}")
            and named_in(with_subject(other, f"from-{one.name}-to-{other.name}-null"), other) == 2
            for one, other in pairs(world.sites)
        ),
        "all mails",
    )
    for one, other in pairs(world.sites):
        subject = f"from-{one.name}-to-{other.name}"
        (plain,) = with_subject(other, subject)
        assert without_trace(plain, letter(subject, ODD_TEXT)) == letter(subject, ODD_TEXT)
        assert envelope_sender(plain) == one.user
        for null in with_subject(other, f"{subject}-null"):
            assert without_trace(null, letter(f"{subject}-null")) == letter(f"{subject}-null")
            assert envelope_sender(null) == ""


def odd_names(site: Site) -> list[str]:
    """Addresses of a site that a careless transport would change."""
    return [f"MiXed+x@{site.domain}", f'"john doe"@{site.domain}']


def named_in(mails: list[bytes], site: Site) -> int:
    """How many times the odd names stand as recipients in front of mails."""
    heads = b"\n".join(re.sub(rb"\n[ \t]+", b" ", mail.partition(b"\n\n")[0]) for mail in mails)
    fields = b"\n".join(re.findall(rb"^(?:X-Original-To|Envelope-to): (.*)$", heads, re.MULTILINE))
    return sum(fields.count(name.encode()) for name in odd_names(site))


PLAIN_TEXT = b"..two dots\nFrom here\n\n\xff\xfe 8 bits\nlast\n"
"""The recipe of the manual loses what stands behind a lone dot; Exim's takes it."""


def test_sites_with_nncps_own_recipes_send_and_get_mail(world: World) -> None:
    """Postfix with nncp-exec and sendmail.sh, Exim with rsmtp: both ways, with both of our servers."""
    for near, name, far, domain in go_ways(world):
        near.submit([f"bob@{domain}"], letter(f"{name}-to-{domain}", PLAIN_TEXT), f"gail@{name}.test")
        far.submit([f"gail@{name}.test"], letter(f"{domain}-to-{name}", PLAIN_TEXT))
        far.submit([f"gail@{name}.test"], letter(f"{domain}-to-{name}-null"), "")
    world.carriage.until(
        lambda: all(
            with_subject(far, f"{name}-to-{domain}")
            and with_subject(near, f"{domain}-to-{name}")
            and with_subject(near, f"{domain}-to-{name}-null")
            for near, name, far, domain in go_ways(world)
        ),
        "all mails",
    )
    for near, name, far, domain in go_ways(world):
        (there,) = with_subject(far, f"{name}-to-{domain}")
        wanted = letter(f"{name}-to-{domain}", PLAIN_TEXT)
        assert without_trace(there, wanted) == wanted
        assert envelope_sender(there) == f"gail@{name}.test"
        (back,) = with_subject(near, f"{domain}-to-{name}")
        wanted = letter(f"{domain}-to-{name}", PLAIN_TEXT)
        assert without_trace(back, wanted) == wanted
        assert envelope_sender(back) == far.user
        (null,) = with_subject(near, f"{domain}-to-{name}-null")
        assert envelope_sender(null) == ""


def test_a_site_with_nncps_own_recipes_hears_what_we_refuse(world: World) -> None:
    """The bounce for an address that leads on to elsewhere comes back through Go to its sender's mailbox."""
    for near, name, _, domain in go_ways(world):
        near.submit([f"eve%far.test@{domain}"], letter(f"{name}-refused-{domain}"), f"gail@{name}.test")
    world.carriage.until(
        lambda: all(
            report_about(near, f"eve%far.test@{domain}", "failed") for near, _, _, domain in go_ways(world)
        ),
        "all bounces",
    )
    for near, _, _, domain in go_ways(world):
        report = report_about(near, f"eve%far.test@{domain}", "failed")
        assert report is not None
        assert report[1]["Status"] == "5.7.1"
        assert envelope_sender(report[0]) == ""


def go_ways(world: World) -> list[tuple[Site, str, Site, str]]:
    """From the servers of the Go sites to our sites: the name of the node, and the domain that goes by Go."""
    mtas: list[tuple[Site, str]] = [(world.p2, "gp"), (world.e2, "gx")]
    ours: list[Site] = [world.p1, world.e1]
    return [(near, name, far, f"go.{far.domain}") for near, name in mtas for far in ours]


def reached(site: Site, subject: str) -> list[str]:
    """The recipients r0, r1, ... of a mail that have it, as the server says in front of each copy."""
    heads = b"\n".join(mail.partition(b"\n\n")[0] for mail in with_subject(site, subject))
    unfolded = re.sub(rb"\n[ \t]+", b" ", heads)
    fields = re.findall(rb"^(?:X-Original-To|Envelope-to): (.*)$", unfolded, re.MULTILINE)
    return re.findall(r"r\d+@[\w.]+", b" ".join(fields).decode())


def test_a_mail_for_three_hundred_reaches_each_once(world: World) -> None:
    """By LMTP it is one message for all, by a command several for a part each; nobody gets it twice."""
    ways = [(world.p1, world.p2), (world.e1, world.e2), (world.p1, world.e2), (world.e2, world.p1)]
    for near, far in ways:
        recipients = [f"r{number}@{far.domain}" for number in range(300)]
        near.submit(recipients, letter(f"many-{near.name}-{far.name}"))
    world.carriage.until(
        lambda: all(len(reached(far, f"many-{near.name}-{far.name}")) >= 300 for near, far in ways),
        "all copies",
    )
    for near, far in ways:
        found = reached(far, f"many-{near.name}-{far.name}")
        assert sorted(found) == sorted(f"r{number}@{far.domain}" for number in range(300))
    for near, name in ((world.p1, "many-p1-p2"), (world.e1, "many-e1-e2")):
        (message,) = [each for each in near.node.queue("--all") if each["message_id"] == f"<{name}@test>"]
        assert len(message["recipients"]) == 300


def report_about(site: Site, recipient: str, action: str) -> tuple[bytes, dict[str, str]] | None:
    """A report in the mailbox of a site's user: its bytes, and what it says of the recipient."""
    for mail in site.mails():
        report = message_from_bytes(mail, policy=policy.default)
        if report.get_content_type() != "multipart/report":
            continue
        assert isinstance(report, EmailMessage)
        groups = list(report.iter_parts())[1].get_payload()
        assert isinstance(groups, list)
        for group in groups[1:]:
            assert isinstance(group, Message)
            fields = {name: str(value) for name, value in group.items()}
            final = fields["Final-Recipient"].partition(";")[2].strip()
            if (final, fields["Action"]) == (recipient, action):
                return mail, fields
    return None


BIG_TEXT = b"0123456789 123456789 123456789 123456789 123456789\n" * 4100
REASONS = {"p2": ("5.1.6", "User has moved to elsewhere"), "e2": ("5.0.0", "no such person here")}


def check_bounce(report: tuple[bytes, dict[str, str]] | None, status: str, text: str, to: str) -> None:
    """It says why, brings the header back, and came to whom it should with the null sender."""
    assert report is not None
    mail, fields = report
    assert envelope_sender(mail) == ""
    assert to.encode() in mail.partition(b"\n\n")[0]
    assert fields["Status"] == status
    assert text in fields["Diagnostic-Code"]


def test_what_the_far_server_refuses_is_in_the_senders_mailbox(world: World) -> None:
    """A recipient it does not know, a mail over its limit: one bounce each, with status and its own words."""
    ways = [(near, far) for near in (world.p1, world.e1) for far in (world.p2, world.e2)]
    for near, far in ways:
        sender = f"to-{far.name}@{near.domain}"
        subject = f"refused-{near.name}-{far.name}"
        near.submit([f"refused@{far.domain}", f"taken@{far.domain}"], letter(subject), sender)
        near.submit([f"big@{far.domain}"], letter(f"big-{near.name}-{far.name}", BIG_TEXT), sender)
    world.carriage.until(
        lambda: all(
            report_about(near, f"{name}@{far.domain}", "failed")
            for near, far in ways
            for name in ("refused", "big")
        ),
        "all bounces",
    )
    for near, far in ways:
        sender = f"to-{far.name}@{near.domain}"
        assert len(with_subject(far, f"refused-{near.name}-{far.name}")) == 1
        assert with_subject(far, f"big-{near.name}-{far.name}") == []
        refused = report_about(near, f"refused@{far.domain}", "failed")
        check_bounce(refused, *REASONS[far.name], sender)
        check_bounce(report_about(near, f"big@{far.domain}", "failed"), "5.3.4", "", sender)


def test_a_mail_put_off_for_a_day_is_told_as_late_and_arrives_at_last(world: World) -> None:
    """One delay notice on the queue's own clock; once the server takes it, the mail is there, once."""
    ways: list[tuple[Site, Site]] = [(world.p1, world.p2), (world.e1, world.e2)]
    for near, far in ways:
        near.submit([f"later@{far.domain}"], letter(f"late-{near.name}"))
    world.carriage.until(lambda: all(is_tried(far, f"later@{far.domain}") for _, far in ways), "a try")
    for near, far in ways:
        assert report_about(near, f"later@{far.domain}", "delayed") is None
        far.let_pass(DAY_SECONDS)
    world.carriage.until(
        lambda: all(report_about(near, f"later@{far.domain}", "delayed") for near, far in ways), "the notices"
    )
    for near, far in ways:
        notice = report_about(near, f"later@{far.domain}", "delayed")
        check_bounce(notice, "4.2.1" if far is world.p2 else "4.0.0", "come back tomorrow", near.user)
        assert with_subject(far, f"late-{near.name}") == []
    world.accept_later()
    for _, far in ways:
        far.let_pass(DAY_SECONDS)
    world.carriage.until(
        lambda: all(with_subject(far, f"late-{near.name}") for near, far in ways), "the mails"
    )
    assert [len(with_subject(far, f"late-{near.name}")) for near, far in ways] == [1, 1]


def is_tried(site: Site, recipient: str) -> bool:
    """Whether a site's node has tried to deliver to somebody."""
    deliveries = (each for message in site.node.queue("--inbox") for each in message["recipients"])
    return any(each["recipient"] == recipient and each["attempts"] > 0 for each in deliveries)


def test_who_asks_is_told_of_success_by_the_last_who_can(world: World) -> None:
    """Postfix is passed the wish and tells of its delivery; for Exim, which is not, we tell."""
    for far in (world.p2, world.e2):
        world.p1.submit([f"asked@{far.domain}"], letter(f"asked-{far.name}"), notify="SUCCESS")
    world.carriage.until(
        lambda: (
            report_about(world.p1, f"asked@{world.p2.domain}", "delivered")
            and report_about(world.p1, f"asked@{world.e2.domain}", "relayed")
        ),
        "both reports",
    )
    assert report_about(world.p1, f"asked@{world.p2.domain}", "relayed") is None


def test_the_port_for_neighbours_relays_nothing(world: World) -> None:
    """Though it is this machine that speaks: not to elsewhere, nor by an address within an address."""
    with Client(world.p2.receive_port) as client:
        assert client.answer()[0] == 220
        assert client.command("EHLO client.test")[0] == 250
        assert client.command("MAIL FROM:<eve@far.test>")[0] == 250
        for address in ("x@outside.test", "x%outside.test@p2.test", "x!outside.test@outside.test"):
            assert client.command(f"RCPT TO:<{address}>")[0] == 554
        assert client.command("RCPT TO:<bob@p2.test>")[0] == 250


def test_a_gateway_that_is_down_costs_no_mail(world: World) -> None:
    """By LMTP and by SMTP servers of both kinds keep their mail and hand it in once the daemon is back."""
    ways = [(near, far) for near in (world.p1, world.e1) for far in (world.p2, world.e2)]
    for near in (world.p1, world.e1):
        near.stop()
    for near, far in ways:
        near.submit([far.user], letter(f"down-{near.name}-{far.name}"))
    for near in (world.p1, world.e1):
        # Of the socket, and of the port.
        for said in ("No such file or directory", "Connection refused"):
            wait_until(
                lambda near=near, said=said: said in near.mta.log_text(),  # type: ignore[misc]
                60,
                f"a try of {near.name}: {said}",
                explain=near.log_text,
            )
        near.start()
    world.carriage.until(
        lambda: all(with_subject(far, f"down-{near.name}-{far.name}") for near, far in ways), "all mails"
    )
    assert [len(with_subject(far, f"down-{near.name}-{far.name}")) for near, far in ways] == [1] * 4


SMUGGLED = b"MAIL FROM:<evil@p1.test>\r\nRCPT TO:<victim@p2.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
ENDS = (
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\r\n",
)


def test_nothing_is_smuggled_behind_an_end_that_is_none(world: World) -> None:
    """Each false end of DATA, from servers of either kind to all others: one whole mail, and no second."""
    for near in world.sites:
        others = [site.domain for site in world.sites if site is not near]
        for number, end in enumerate(ENDS):
            head = b"Subject: end-%d-%s\r\n\r\nbefore" % (number, near.name.encode())
            with Client(near.mta.port) as client:
                assert client.answer()[0] == 220
                assert client.command("EHLO client.test")[0] == 250
                client.begin(near.user, *(f"end@{domain}" for domain in others))
                client.send(head + end + SMUGGLED + b"\r\n.\r\n")
                assert client.answer()[0] == 250
                assert client.command("NOOP")[0] == 250
    wanted = [
        (far, f"end-{number}-{near.name}") for near, far in pairs(world.sites) for number in range(len(ENDS))
    ]
    world.carriage.until(lambda: all(with_subject(far, subject) for far, subject in wanted), "all mails")
    for far, subject in wanted:
        (mail,) = with_subject(far, subject)
        assert b"\nSubject: smuggled\n\nx" in mail.partition(b"\n\n")[2]
    for site in world.sites:
        assert with_subject(site, "smuggled") == []
        assert not any(b"victim@" in mail.partition(b"\n\n")[0] for mail in site.mails())


@pytest.mark.parametrize("end", ENDS)
def test_our_own_doors_take_no_false_end_for_one(world: World, end: bytes) -> None:
    """By SMTP and LMTP the whole of it is one message, which is refused, and the connection goes on."""
    for address, hello in ((world.p1.smtp_port, "EHLO"), (world.p1.lmtp_path, "LHLO")):
        with Client(address) as client:
            assert client.answer()[0] == 220
            assert client.command(f"{hello} client.test")[0] == 250
            client.begin(world.p1.user, world.p2.user)
            client.send(b"Subject: x\r\n\r\nbefore" + end + SMUGGLED + b"\r\n.\r\n")
            code, text = client.answer()
            assert (code, text[:5]) == (554, "5.6.0")
            assert client.command("NOOP")[0] == 250
