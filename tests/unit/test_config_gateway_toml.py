from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.batch.policy import Niceness
from gateway.carry.online.service_settings import OnlineSettings
from gateway.config.delivering import TargetSettings
from gateway.config.gateway_place import chosen_path
from gateway.config.gateway_toml import GatewayConfig, load_gateway_config, parse_gateway_text
from gateway.config.toml_rights import AreaSection
from gateway.config.toml_schema import BatchKeys, GatewayFile, NeighbourSection, RouteSection
from gateway.deliver.batch_command import BatchTargetSettings
from gateway.deliver.maildir import MaildirTargetSettings
from gateway.deliver.sendmail_command import SendmailTargetSettings
from gateway.deliver.smtp import SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace, UnixPlace
from gateway.errors import ConfigError
from gateway.ingest.certificates import CertificateFiles
from gateway.ingest.unix_socket import UnixSocket
from gateway.msgqueue.entry import Form
from gateway.msgqueue.insertion import NO_LIMITS, SizeLimits
from gateway.report.reporter import ReportSettings
from gateway.routing.rights import Addresses, Rate, Rights
from gateway.routing.table import LocalRoute, Refusal, Route
from tests.support.gateways import GatewayNode
from tests.support.peers import PROJECT

Load = Callable[[str], GatewayConfig]
SAMPLE = PROJECT / "conf" / "gateway.toml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that knows a neighbour ``bob``."""
    place = tmp_path_factory.mktemp("nodes")
    node = GatewayNode(place / "alice", "a.test")
    node.accept(GatewayNode(place / "bob", "b.test"))
    return node.home


@pytest.fixture
def load(home: Path) -> Load:
    def load_text(text: str) -> GatewayConfig:
        path = home / "other.toml"
        path.write_text(text)
        return load_gateway_config(path, {})

    return load_text


def refusal(load: Load, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return str(caught.value).splitlines()


def test_lmtp_has_the_limits_of_smtp(load: Load, home: Path) -> None:
    config = load(
        """
        [smtp]
        max_recipients = 7
        [lmtp]
        listen = ["127.0.0.1:2424"]
        relay_from = ["192.0.2.0/24"]
        socket = "lmtp.sock"
        socket_mode = "0620"
        socket_group = "postfix"
        """
    )
    assert config.smtp is None
    assert config.lmtp is not None
    assert config.lmtp.listen == (("127.0.0.1", 2424),)
    assert config.lmtp.unix == UnixSocket(home / "lmtp.sock", 0o620, "postfix")
    assert config.lmtp.max_recipients == 7
    assert config.lmtp.relay_from.permits("192.0.2.1")
    assert not config.lmtp.relay_from.permits("127.0.0.1")


def test_a_socket_alone_listens_nowhere_else(load: Load) -> None:
    config = load('[lmtp]\nsocket = "/run/lmtp"')
    assert config.lmtp is not None
    assert config.lmtp.listen == ()


def test_a_mode_that_is_none_is_refused(load: Load) -> None:
    (line,) = refusal(load, '[lmtp]\nsocket_mode = "0999"')
    assert "lmtp.socket_mode: is not in the form it must have; allowed: permissions" in line


SUBMISSION = """
[submission]
listen = ["127.0.0.1:587"]
"""


def test_submission_is_read_with_paths_beside_the_file(load: Load, home: Path) -> None:
    config = load(
        """
        [smtp]
        max_recipients = 7
        [submission]
        listen_tls = ["[::1]:465"]
        certificate = "tls.pem"
        [submission.senders]
        alice = ["alice@a.test", ".alice.test"]
        """
    )
    submission = config.submission
    assert submission is not None
    assert (submission.endpoint.listen, submission.endpoint.listen_tls) == ((), (("::1", 465),))
    assert submission.endpoint.max_recipients == 7
    assert submission.certificate == CertificateFiles(home / "tls.pem", home / "tls.pem")
    assert submission.passwords == config.passwords == home / "state" / "passwords"
    assert not submission.is_cleartext_local
    allowed = submission.senders["alice"]
    assert isinstance(allowed.route("alice@A.test"), LocalRoute)
    assert isinstance(allowed.route("x@y.alice.test"), LocalRoute)
    assert isinstance(allowed.route("bob@a.test"), Refusal)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("", "submission has no certificate, so nobody could log in; allowed: certificate = "),
        (
            'listen_tls = ["127.0.0.1:465"]\ncleartext_on_loopback = true',
            "submission.listen_tls needs a certificate; allowed: ",
        ),
        ("max_failures = 0", "submission.max_failures: 0 is too small; allowed: "),
        ("password = 'x'", "submission.password: is not a key of this file; allowed: "),
        ('senders = {alice = ["a b"]}', "submission.senders.alice[1]: "),
    ],
)
def test_submission_that_can_not_work_is_refused(load: Load, more: str, named: str) -> None:
    (line,) = refusal(load, f"{SUBMISSION}{more}\n")
    assert named in line


def test_a_password_in_clear_is_an_explicit_choice(load: Load) -> None:
    config = load(SUBMISSION + "cleartext_on_loopback = true\n")
    assert config.submission is not None
    assert config.submission.certificate is None


@pytest.mark.parametrize(
    ("lines", "target"),
    [
        (
            'to = "lmtp"\naddress = "unix:lmtp"\ntimeout_seconds = 9.0',
            SmtpTargetSettings(UnixPlace("HOME/lmtp"), "gw.a.test", is_lmtp=True, reply_seconds=9.0),
        ),
        (
            'to = "lmtp"\naddress = "[::1]:24"',
            SmtpTargetSettings(TcpPlace("::1", 24), "gw.a.test", is_lmtp=True),
        ),
        (
            'address = "unix:/run/smtp"',
            SmtpTargetSettings(UnixPlace("/run/smtp"), "gw.a.test"),
        ),
        ('to = "batch"', BatchTargetSettings(("/usr/sbin/exim4", "-bS"), "gw.a.test")),
        (
            'to = "batch"\ncommand = ["/opt/exim", "-bS", "-odq"]',
            BatchTargetSettings(("/opt/exim", "-bS", "-odq"), "gw.a.test"),
        ),
        ('to = "sendmail"', SendmailTargetSettings(("/usr/sbin/sendmail", "-i"))),
    ],
)
def test_each_place_to_deliver_to_is_understood(
    load: Load, home: Path, lines: str, target: TargetSettings
) -> None:
    found = load(f'[node]\nhostname = "gw.a.test"\n[deliver]\n{lines}\nconnections = 7\n')
    if isinstance(target, SmtpTargetSettings) and isinstance(target.place, UnixPlace):
        target = replace(target, place=UnixPlace(target.place.path.replace("HOME", str(home))))
    (place,) = found.delivery.places
    assert (place.target, place.connection_count) == (target, 7)


def test_an_empty_file_has_safe_defaults(load: Load, home: Path) -> None:
    config = load("")
    assert config.smtp is None
    assert config.lmtp is None
    assert config.submission is None
    assert config.local_domains == ()
    assert isinstance(config.table.route("anybody@example.org"), Refusal)
    assert config.state_directory == home / "state"
    assert config.nncp.path == home / "nncp.hjson"
    assert config.batch.default.form is Form.SENDMAIL
    (place,) = config.delivery.places
    assert place.target == SmtpTargetSettings(TcpPlace("127.0.0.1", 25), config.hostname)
    assert config.mail_log is None
    assert not config.online.is_wanted


def test_mail_expires_after_weeks_in_both_roles_unless_the_inbox_has_its_own_time(load: Load) -> None:
    config = load("")
    weeks_seconds = 28 * 86_400
    assert config.report.expire_seconds == config.report.inbox_expire_seconds == weeks_seconds
    assert config.deliver.retry.max_age_seconds == weeks_seconds
    config = load("[deliver]\nmax_age_seconds = 60.0\n")
    assert config.deliver.retry.max_age_seconds == config.report.inbox_expire_seconds == 60
    assert config.report.expire_seconds == weeks_seconds


@pytest.mark.parametrize(
    ("toml", "operator"),
    [
        ("[node]\nhostname = 'mx.a.test'\n", "postmaster@mx.a.test"),
        ("[node]\nhostname = 'mx.a.test'\n[deliver]\ndomains = ['.a.test', 'a.test']\n", "postmaster@a.test"),
        ("[node]\noperator = 'ann@b.test'\n[deliver]\ndomains = ['a.test']\n", "ann@b.test"),
        ("[node]\noperator = ''\n", ""),
    ],
)
def test_the_operator_is_a_postmaster_who_can_be_reached_unless_one_is_named(
    load: Load, toml: str, operator: str
) -> None:
    assert load(toml).report.operator == operator


def test_the_sizes_above_which_mail_is_held_belong_to_neighbours(load: Load) -> None:
    config = load("[neighbour.bob]\nmax_message_bytes = 2048\nhold_receive_bytes = 4096\n")
    bob = config.nncp.book.find("bob").id.text
    assert config.limits == SizeLimits({bob: 2048}, {bob: 4096})
    assert load("[neighbour.bob]\nnice = 'F'\n").limits == NO_LIMITS


RIGHTS = """
[deliver]
domains = ["own.test"]
[[route]]
pattern = "bob.test"
node = "bob"
[[route]]
pattern = "boss@other.test"
local = true
[[route]]
pattern = "*"
local = true
[neighbour.bob]
"""


def test_what_a_neighbour_may_send_reaches_the_receiver(load: Load) -> None:
    config = load(
        RIGHTS
        + """
        senders = ["bob.test", ".bob.test"]
        recipients = ["lists@own.test"]
        relay_to = ["bob.test"]
        relay_back = true
        max_receive_bytes = 5000
        receive_messages_per_hour = 60
        receive_bytes_per_hour = 7000
        [receive]
        max_own_hops = 7
        """
    )
    bob, receive = config.nncp.book.find("bob").id, config.receive
    assert receive.rights[bob] == Rights(
        senders=Addresses(("bob.test", ".bob.test")),
        recipients=Addresses(("lists@own.test",)),
        relay_to=Addresses(("bob.test",)),
        reports_to=frozenset({bob}),
        is_sent_back=True,
        max_message_bytes=5000,
        rate=Rate(60, 7000),
    )
    assert receive.local_domains == ("own.test", "boss@other.test")
    assert (receive.max_own_hops, receive.own_id) == (7, config.nncp.book.self_node.id)


def test_a_neighbour_of_whom_nothing_is_said_reaches_what_is_delivered_here(load: Load) -> None:
    config = load(RIGHTS)
    assert config.receive.rights == {config.nncp.book.find("bob").id: Rights()}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[neighbour.bob]\nrelay_to = ["a b"]', "neighbour.bob.relay_to[1]: "),
        (
            "[neighbour.bob]\nreceive_messages_per_hour = 0",
            "receive_messages_per_hour: 0 is too small; allowed: ",
        ),
        ("[area.village]", "area.village: 'village' is not an area; allowed: a name in areas of "),
        ('[area.village]\nrelay_to = ["a.test"]', "area.village.relay_to: is not a key of this file"),
    ],
)
def test_rights_that_make_no_sense_are_refused(load: Load, text: str, named: str) -> None:
    (line,) = refusal(load, text)
    assert named in line


def test_relative_paths_are_beside_the_file(load: Load, home: Path) -> None:
    config = load(
        '[node]\nstate_directory = "../elsewhere"\n[log]\nmail = "mail.log"\n'
        '[deliver]\nto = "maildir"\npath = "mail/{domain}/{local}"\n'
    )
    assert config.state_directory == home.parent / "elsewhere"
    assert config.mail_log == home / "mail.log"
    (place,) = config.delivery.places
    assert isinstance(place.target, MaildirTargetSettings)
    assert place.target.path == f"{home}/mail/{{domain}}/{{local}}"


def test_every_section_reaches_its_stage(load: Load) -> None:
    config = load("""
        [node]
        hostname = "gw.example.org"
        [queue]
        reserve_bytes = 1000
        keep_finished_days = 1
        keep_batch_ids_days = 2.5
        [smtp]
        listen = ["127.0.0.1:2525", "[::1]:0"]
        relay_from = ["192.0.2.0/24"]
        max_message_bytes = 2048
        [[route]]
        pattern = ".b.test"
        node = "bob"
        [[route]]
        pattern = "spam@b.test"
        refuse = "no"
        status = "5.7.9"
        [[route]]
        pattern = "here.test"
        local = true
        [neighbour.bob]
        understands = "gateway"
        nice = "F"
        max_messages = 7
        [batch]
        max_messages = 5
        level = 19
        [deliver]
        domains = ["own.test"]
        to = "sendmail"
        command = ["/usr/lib/sendmail", "-i", "-oem"]
        max_attempts = 3
        [receive]
        max_batch_bytes = 5000
        [report]
        delay_notice_seconds = 0
        expire_days = 2
        nice = "F"
        return_max_bytes = 100
        [toss]
        interval_seconds = 1
        max_nice = "N"
        [online]
        listen = ["[::]:5400", "192.0.2.1:0"]
        calls = true
        max_connections = 9
        """)
    bob = config.nncp.book.find("bob").id
    assert config.hostname == "gw.example.org"
    assert config.reserve_bytes == 1000
    assert config.keep_finished_seconds == 86_400
    assert config.keep_batch_ids_seconds == 2.5 * 86_400
    assert config.report == ReportSettings(
        "gw.example.org", 0.0, 2 * 86_400.0, 2 * 86_400.0, 32, 100, "postmaster@own.test"
    )
    assert config.deliver.retry.max_age_seconds == 2 * 86_400
    assert config.smtp is not None
    assert config.smtp.listen == (("127.0.0.1", 2525), ("::1", 0))
    assert config.smtp.max_message_bytes == config.max_message_bytes == config.pipe.max_message_bytes == 2048
    assert not config.smtp.relay_from.permits("127.0.0.1")
    assert config.table.route("x@sub.b.test") == Route("bob")
    assert config.table.route("spam@b.test") == Refusal("5.7.9", "no")
    assert config.table.route("x@here.test") == config.table.route("x@own.test") == LocalRoute()
    assert config.batch.policy(bob).niceness.normal == 32
    policy = config.batch.policy(bob)
    assert (policy.form, policy.max_count, policy.level) == (Form.GATEWAY, 7, 19)
    assert config.batch.default.max_count == 5
    assert config.delivery.places[0].target == SendmailTargetSettings(
        ("/usr/lib/sendmail", "-i", "-oem"), 300.0
    )
    assert config.deliver.retry.max_attempts == 3
    assert config.receive.max_batch_bytes == 5000
    assert config.receive.local_domains == ("own.test", "here.test")
    assert config.toss.nice == 160
    assert config.online == OnlineSettings(("[::]:5400", "192.0.2.1:0"), True, 9)


@pytest.mark.parametrize(
    ("text", "where", "allowed"),
    [
        ("[nod]", "nod: is not a key", "did you mean node?"),
        ("[smtp]\nlisen = []", "smtp.lisen: is not a key", "did you mean listen?"),
        ("[smtp]\nmax_recipients = 0", "smtp.max_recipients: 0 is too small", "from 1 to 100000"),
        ("[smtp]\nmax_recipients = '5'", "smtp.max_recipients: must not be a text", "a whole number"),
        ("[smtp]\nmax_recipients = 1.5", "smtp.max_recipients: must not be a number", "a whole number"),
        ("[smtp]\nmax_recipients = true", "smtp.max_recipients: must not be a truth value", "a whole number"),
        ("[smtp]\nlisten = ['nowhere']", "smtp.listen[1]: is not ADDRESS:PORT", "127.0.0.1:2525"),
        ("[smtp]\nlisten = ['h:99999']", "smtp.listen[1]: is not ADDRESS:PORT", "127.0.0.1:2525"),
        ("[smtp]\nrelay_from = ['10.0.0.1/8']", "smtp.relay_from[1]: network", "192.0.2.0/24"),
        ("[smtp]\nmax_inflight_bytes = 2000", "smtp: has max_inflight_bytes below", "at least as much"),
        ("[node]\nhostname = 'a b'", "node.hostname: is not in the form", "such as mail.example.org"),
        ("[[route]]\nnode = 'bob'", "route[1].pattern: is missing", "an address, a domain"),
        ("[[route]]\npattern = 'a..b'\nnode = 'bob'", "route[1].pattern: route 'a..b'", ".domain"),
        (
            "[[route]]\npattern = 'a.b'",
            "route[1]: has no action",
            "exactly one of node, nodes, local",
        ),
        (
            "[[route]]\npattern = 'a'\nnodes = ['bob', 'bbo']",
            "route[1].nodes: 'bbo' is not a neighbour",
            "bob",
        ),
        ("[[route]]\npattern = 'a'\nnodes = ['bob', 'bob']", "route 'a': a node is named twice", "each once"),
        ("[[route]]\npattern = 'a'\nnodes = []", "route[1].nodes: ", "a list of names of neighbours"),
        (
            "[[route]]\npattern = 'a'\nlocal = true\nnice = 5",
            "route[1]: has nice without a node",
            "beside node",
        ),
        ("[batch]\nwindows = ['9-17']", "batch.windows[1]: '9-17' is no window", "Mon-Fri,Sun 12:30-14:00"),
        ("[[route]]\npattern = 'a'\nlocal = false", "route[1].local: false is not one", "true: delivered"),
        (
            "[[route]]\npattern = 'a'\nlocal = true\nstatus = '5.7.1'",
            "route[1]: has a status",
            "beside refuse",
        ),
        ("[[route]]\npattern = 'a'\nrefuse = 'ä'", "route[1].refuse: ", "printable ASCII"),
        ("[[route]]\npattern = 'a'\nnode = 'eve'", "route[1].node: 'eve' is not a neighbour", "has: bob"),
        ("[[route]]\npattern = 'a'\nnode = 'self'", "route[1].node: 'self' is this node", "has: bob"),
        ("[neighbour.eve]", "neighbour.eve: 'eve' is not a neighbour", "a name in neigh of"),
        ("[neighbour.bob]\nunderstands = 'x'", "neighbour.bob.understands: 'x' is not one", '"bsmtp"'),
        ("[neighbour.bob]\nnice = 300", "neighbour.bob.nice: niceness '300'", "1 to 255"),
        ("[neighbour.bob]\nnice = [1]", "neighbour.bob.nice: must be a number or a text", "1 to 255"),
        ("[batch]\nlevel = 23", "batch.level: 23 is too large", "1 to 22"),
        ("[deliver]\nto = 'maildir'", 'deliver: has to = "maildir" but no path', "path ="),
        ("[deliver]\npath = 'x/{user}'", "deliver.path: is not usable", "{local} and {domain}"),
        ("[deliver]\npath = '../x'", "deliver.path: is not usable", "{local} and {domain}"),
        ("[deliver]\ncommand = ['sendmail']", "deliver.command: does not begin with", "absolute path"),
        ("[deliver]\ncommand = []", "deliver.command: is too small", "absolute path"),
        ("[deliver]\ndomains = ['a@b.test']", "deliver.domains[1]: is not a domain", "example.org"),
        ("[[deliver.other]]\nto = 'lmtp'", "deliver.other[1].domains: is missing", "a list of domains"),
        ("[[deliver.other]]\ndomains = []", "deliver.other[1].domains: is too small", "a list of domains"),
        (
            "[deliver]\ndomains = ['b.test']\n[[deliver.other]]\ndomains = ['B.test']",
            "deliver.other.domains: 'B.test' has two targets",
            "each domain once",
        ),
        (
            "[[deliver.other]]\ndomains = ['b.test']\nmax_attempts = 1",
            "deliver.other[1].max_attempts: is not a key",
            "domains",
        ),
        ("[deliver]\naddress = '127.0.0.1'", "deliver.address: is not ADDRESS:PORT", "HOST:PORT"),
        ("[log]\nlevel = 'loud'", "log.level: 'loud' is not one of", '"warning"'),
        ("[queue]\nreserve_bytes = -1", "queue.reserve_bytes: -1 is too small", "bytes from 0"),
        ("smtp = 3", "smtp: must not be a whole number", "a table"),
    ],
)
def test_an_error_names_file_key_and_what_is_allowed(
    load: Load, home: Path, text: str, where: str, allowed: str
) -> None:
    (line,) = refusal(load, text)
    assert line.startswith(f"{home}/other.toml: {where}")
    head, separator, rest = line.partition("; allowed: ")
    assert separator, head
    assert allowed in rest


@pytest.mark.parametrize("program", ["nncp-gateway", "nncp-gateway-pipe"])
def test_our_own_sendmail_may_not_be_the_one_that_delivers(load: Load, tmp_path: Path, program: str) -> None:
    (tmp_path / program).touch()
    (tmp_path / "sendmail").symlink_to(tmp_path / program)
    with pytest.raises(ConfigError, match=r"deliver\.command: .*/sendmail is nncp-gateway itself"):
        load(f'[deliver]\nto = "sendmail"\ncommand = ["{tmp_path}/sendmail", "-i"]')


def test_every_command_of_a_place_is_looked_at(load: Load, tmp_path: Path) -> None:
    (tmp_path / "nncp-gateway").touch()
    (tmp_path / "sendmail").symlink_to(tmp_path / "nncp-gateway")
    own = f'to = "sendmail"\ncommand = ["{tmp_path}/sendmail", "-i"]\n'
    others = [f'[[deliver.other]]\ndomains = ["{domain}"]\n' for domain in ("b.test", "B.test")]
    lines = refusal(load, f"[deliver]\n{own}{others[0]}{own}{others[1]}")
    assert [line.split(": ")[1] for line in lines] == [
        "deliver.command",
        "deliver.other[1].command",
        "deliver.other.domains",
    ]


def test_each_domain_has_its_place(load: Load, home: Path) -> None:
    config = load("""
        [[route]]
        pattern = "carl@far.test"
        local = true
        [deliver]
        domains = ["b.test", ".village.test"]
        [[deliver.other]]
        domains = ["village.test"]
        to = "maildir"
        path = "mail/{local}"
        connections = 2
        [[deliver.other]]
        domains = ["list.test", "far.test"]
        to = "sendmail"
        """)
    text_for = config.delivery.text_for
    assert text_for("bob@b.test") == text_for("x@y.village.test") == "127.0.0.1:25 by SMTP (deliver)"
    assert text_for("bob@village.test") == f"the Maildir {home}/mail/{{local}} (deliver.other[1])"
    assert text_for("carl@far.test") == "the command /usr/sbin/sendmail -i (deliver.other[2])"
    assert [place.connection_count for place in config.delivery.places] == [4, 2, 4]
    assert config.table.route("bob@village.test") == config.table.route("x@list.test") == LocalRoute()
    assert config.local_domains == ("b.test", ".village.test", "village.test", "list.test", "far.test")
    assert config.receive.local_domains == (*config.local_domains, "carl@far.test")


def test_all_errors_come_at_once(load: Load) -> None:
    lines = refusal(load, "[smtp]\nmax_hops = 0\nbogus = 1\n[batch]\nlevel = 99\n")
    assert [line.split(": ")[1] for line in lines] == ["smtp.max_hops", "smtp.bogus", "batch.level"]


def test_everything_that_does_not_fit_together_comes_at_once(load: Load) -> None:
    lines = refusal(
        load,
        "[[route]]\npattern = 'a.test'\nnode = 'eve'\n[[route]]\npattern = 'b.test'\nnode = 'bob'\n"
        "[deliver]\ndomains = ['b.test']\n[neighbour.mallory]\n",
    )
    assert len(lines) == 3
    assert "neighbour.mallory" in lines[0]
    assert "route[1].node" in lines[1]
    assert "allowed: one for each pattern, none for domains of [deliver]" in lines[2]


def test_a_syntax_error_has_its_line(load: Load, home: Path) -> None:
    (line,) = refusal(load, '[node]\nhostname = "a.test"\nstate_directory = oops\n')
    assert line.startswith(f"{home}/other.toml: is not TOML: ")
    assert "line 3" in line


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[neighbour.bob]\n[neighbour.bob]\n", "the table neighbour.bob is there already; write"),
        ("[neighbour.'b.b']\n[neighbour.'b.b']\n", "the table neighbour.b.b is there already"),
        ("[log]\nmail = 'a'\nmail = 'b'\n", "a key stands in its table twice"),
        ("[log]\nmail = \u201ca\u201d\n", "texts stand in straight quotes"),
        ("[smtp]\nmax_message_bytes = 1M\n", "numbers have no unit"),
    ],
    ids=["table twice", "quoted table twice", "key twice", "curly quotes", "unit"],
)
def test_the_commonest_syntax_errors_say_what_to_do(load: Load, text: str, hint: str) -> None:
    (line,) = refusal(load, text)
    assert hint in line


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000], ids=["digits", "brackets"])
def test_a_value_that_python_gives_up_on_is_a_syntax_error(load: Load, home: Path, value: str) -> None:
    (line,) = refusal(load, f"[node]\nhostname = {value}\n")
    assert line.startswith(f"{home}/other.toml: is not TOML: ")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.toml: cannot be read: .*nncp-gateway init"):
        load_gateway_config(tmp_path / "gateway.toml", {})


def test_a_file_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 at byte 2"):
        load_gateway_config(path, {})


def test_text_from_the_file_is_not_repeated(load: Load) -> None:
    (line,) = refusal(load, "[smtp]\nmax_recipients = 'hunter2'\n")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("given", "environ", "path"),
    [
        ("x.toml", {"NNCP_GATEWAY_CONFIG": "/y"}, None),
        (None, {"NNCP_GATEWAY_CONFIG": "/y"}, "/y"),
        (None, {"NNCP_GATEWAY_CONFIG": ""}, "/etc/nncp-gateway/gateway.toml"),
        (None, {}, "/etc/nncp-gateway/gateway.toml"),
    ],
)
def test_the_command_line_goes_before_the_environment_before_the_default(
    given: str | None, environ: dict[str, str], path: str | None
) -> None:
    assert chosen_path(given, environ) == (Path("x.toml").absolute() if path is None else Path(path))


def test_the_environment_does_not_choose_another_nncp_file(home: Path) -> None:
    config = load_gateway_config(home / "gateway.toml", {"NNCPCFG": "/nonexistent"})
    assert config.nncp.path == home / "nncp.hjson"


def test_lanes_windows_and_routes_with_a_niceness_are_read(load: Load) -> None:
    config = load("""
        [[route]]
        pattern = "*"
        nodes = ["bob"]
        nice = "N+3"
        [neighbour.bob]
        nice = "P"
        urgent_nice = 20
        in_service = false
        windows = []
        [batch]
        windows = ["Mon-Fri 22:00-06:00"]
        bulk_nice = "B"
        large_bytes = 1000
        """)
    assert config.table.route("x@y.test") == Route("bob", (), 163)
    bob, default = config.batch.policy(config.nncp.book.find("bob").id), config.batch.default
    assert bob.niceness == Niceness(96, urgent=20, bulk=224, large_bytes=1000)
    assert default.niceness == Niceness(bulk=224, large_bytes=1000)
    assert (bob.is_in_service, default.is_in_service) == (False, True)
    assert bob.windows == ()
    assert [str(window) for window in default.windows] == ["Mon-Fri 22:00-06:00"]
    (bob,) = load('[neighbour.bob]\n[batch]\nwindows = ["08:00-09:00"]\n').batch.by_node.values()
    assert [str(window) for window in bob.windows] == ["08:00-09:00"]


def test_the_sample_loads_with_its_neighbours_left_out() -> None:
    file = parse_gateway_text(SAMPLE, SAMPLE.read_text())
    assert file.smtp.listen == ["127.0.0.1:2525"]


def test_the_sample_shows_every_key_with_its_default() -> None:
    lines = [line.removeprefix("#") for line in SAMPLE.read_text().splitlines() if not line.startswith("# ")]
    file = parse_gateway_text(SAMPLE, "\n".join(lines))
    for name, section in GatewayFile.model_fields.items():
        if name in {"route", "neighbour", "area"}:
            continue
        shown = getattr(file, name)
        assert shown.model_fields_set == set(type(shown).model_fields) - OPTIONAL.get(name, set()), name
        for key in shown.model_fields_set - DIFFERENT.get(name, set()):
            default = type(shown).model_fields[key].get_default(call_default_factory=True)
            assert getattr(shown, key) == default, f"{name}.{key}"
        assert section.default_factory is not None
    assert file.route
    assert file.neighbour
    assert file.area


SHARED_TABLES: dict[str, type[BaseModel]] = {
    "route": RouteSection,
    "neighbour": NeighbourSection,
    "area": AreaSection,
}

OPTIONAL: dict[str, set[str]] = {}
"""Keys without a default, which the sample need not show."""

DIFFERENT = {
    "node": {"hostname", "nncp_config", "state_directory", "operator"},
    "smtp": {"listen"},
    "lmtp": {"listen", "socket", "socket_group"},
    "submission": {"listen", "listen_tls", "certificate", "key", "passwords", "senders"},
    "online": {"listen"},
    "batch": set(BatchKeys.model_fields),
    "deliver": {"domains", "command", "path", "max_age_seconds", "max_attempts", "other"},
    "log": {"mail"},
    "news": {"pathhost", "remote_control_address", "peer", "area", "rnews", "reader"},
    "nntp": {
        "listen",
        "listen_tls",
        "socket",
        "socket_group",
        "certificate",
        "key",
        "passwords",
        "moderated",
        "complaints_to",
    },
}
"""Keys whose value in the sample is an example."""


def test_the_reference_has_every_key() -> None:
    text = (PROJECT / "docs" / "reference" / "config.md").read_text()
    models = {name: getattr(GatewayFile(), name) for name in GatewayFile.model_fields}
    for name, section in models.items():
        model = SHARED_TABLES.get(name, type(section))
        part = text.partition(f"\n## [{'[' if name == 'route' else ''}{name}")[2].partition("\n## ")[0]
        for key in model.model_fields:
            is_shared = name == "neighbour" and key in BatchKeys.model_fields
            assert is_shared or f"| `{key}` |" in part, f"{name}.{key}"
