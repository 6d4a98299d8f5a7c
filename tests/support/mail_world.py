"""Four sites with real mail servers, set up from the kits, and two with Go tools and recipes alone.

Postfix p1 sends by LMTP (to e2 by SMTP) and gets mail from its sendmail command; p2 sends through the
command and gets mail on the port for neighbours. Exim e1 sends by LMTP (to p2 by SMTP) and gets batches
(``-bS``); e2 sends by ``use_bsmtp`` and gets mail by SMTP; the packets for its node are opened by Go's
nncp-toss. Packets between a Postfix and an Exim travel through a relay with the Go tools. The Go sites gp
(Postfix) and gx (Exim) share the servers of p2 and e2.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.gonncp import GoMesh, GoNode
from tests.support.mail_sites import (
    STAGES,
    Carriage,
    EximSite,
    PostfixSite,
    Site,
    by_way_of,
    introduce,
    open_to_everybody,
    pairs,
)
from tests.support.peers import require

DAY_SECONDS = 86_400.0
LIMIT_BYTES = 200_000
"""Of a message, at the servers of p2 and e2."""

SENDMAIL_SH = """\
#!/bin/sh -e
# What the recipe of NNCP's manual comes to: a temporary file, the sender from Return-Path, bare arguments.
tmp=`/usr/bin/mktemp`
trap "/bin/rm -f $tmp" EXIT
/bin/cat >$tmp
{sendmail} -f "`/bin/sed -n 's/^Return-Path: *//p;/^$/q' $tmp | /usr/bin/head -n 1`" $@ <$tmp
"""
RSMTP_ROUTER = """\
nncp_recipe:
  driver = manualroute
  domains = go.p1.test : go.e1.test
  transport = nncp
  route_list = go.p1.test p1 ; go.e1.test e1
"""
RSMTP_TRANSPORT = """\
nncp:
  driver = pipe
  batch_max = 100
  use_bsmtp
  command = {program} -noprogress -quiet -cfg {config} $host rsmtp
  return_fail_output
"""
EXIM_ACL = """\
check_rcpt:
  deny  local_parts = refused
        message = no such person here
  defer local_parts = later
        condition = ${{if exists{{{place}/open}}{{no}}{{yes}}}}
        message = come back tomorrow
"""


@dataclass
class World:
    """All sites."""

    p1: PostfixSite
    p2: PostfixSite
    e1: EximSite
    e2: EximSite
    gp: GoNode
    gx: GoNode
    carriage: Carriage
    place: Path

    @property
    def sites(self) -> tuple[Site, ...]:
        return self.p1, self.p2, self.e1, self.e2

    def accept_later(self) -> None:
        """Let the servers of p2 and e2 take mail for ``later`` from now on."""
        self.p2.mta.set("smtpd_data_restrictions =")
        (self.place / "open").touch()


def _make_world(place: Path) -> World:
    """Set all up; nothing runs yet."""
    require("nncp-exec", "nncp-toss", "nncp-xfer", "exim4", "postfix")
    go = GoMesh(place / "go", ["r", "gp", "gx"])
    p1 = PostfixSite(
        place, "p1", "lmtp", smtp_domains=["e2.test"], is_sendmail=True, more_domains=["go.p1.test"]
    )
    p2 = PostfixSite(place, "p2", "command", more_domains=["gp.test"])
    e1 = EximSite(
        place,
        "e1",
        {"lmtp": ["p1.test", "e2.test", "gp.test", "gx.test"], "smtp": ["p2.test"]},
        is_batch=True,
        more_domains=["go.e1.test"],
    )
    e2 = EximSite(
        place,
        "e2",
        {"pipe": ["p1.test", "p2.test", "e1.test"]},
        more_domains=["gx.test"],
        routers=RSMTP_ROUTER,
        transports=RSMTP_TRANSPORT.format(program=require("nncp-exec"), config=go["gx"].config_path),
    )
    sites = (p1, p2, e1, e2)
    for one, other in pairs(sites):
        one.know(other, "--understands", "gateway")
    relay = go["r"]
    for site in sites:
        introduce(relay, site, {})
        site.node.run("accept", "r", stdin=relay.run("nncp-cfgmin").stdout)
        by_way_of(site.node, [other.name for other in sites if other.name[0] != site.name[0]], "r")
    _let_go_sites_know(place, go, (p1, e1), p2, e2)
    _set_limits(place, p2, e2)
    receiver = GoNode(place / "unused", "e2")
    receiver.config_path = e2.node.nncp_path
    e2.stages = [name for name in STAGES if name != "toss"]
    carriage = Carriage(place, sites, [go[name] for name in ("gp", "gx", "r")], [receiver])
    return World(p1, p2, e1, e2, go["gp"], go["gx"], carriage, place)


def _let_go_sites_know(
    place: Path, go: GoMesh, ours: tuple[PostfixSite, EximSite], p2: PostfixSite, e2: EximSite
) -> None:
    script = place / "sendmail.sh"
    script.write_text(SENDMAIL_SH.format(sendmail=p2.mta.sendmail))
    script.chmod(0o755)
    handles = {"gp": ("sendmail", [str(script)]), "gx": ("rsmtp", [str(e2.mta.rsmtp)])}
    for name, understands in (("gp", "sendmail"), ("gx", "bsmtp")):
        for site in ours:
            introduce(go[name], site, dict([handles[name]]))
            words = ("accept", name, "--domain", f"{name}.test", "--understands", understands)
            site.node.run(*words, stdin=go[name].run("nncp-cfgmin").stdout)
            site.lead(f"{name}.test")
        open_to_everybody(go[name])
    for site in ours:
        p2.add_recipe(go["gp"], f"go.{site.domain}", site.name)


def _set_limits(place: Path, p2: PostfixSite, e2: EximSite) -> None:
    """What the servers of p2 and e2 refuse, and what they put off."""
    p2.mta.set(f"message_size_limit = {LIMIT_BYTES}")
    p2.mta.set("relocated_maps = inline:{refused@p2.test=elsewhere}")
    later = "{later@p2.test = 450 4.2.1 come back tomorrow}"
    p2.mta.set(f"smtpd_data_restrictions = check_recipient_access inline:{{{later}}}")
    config = e2.mta.config_path.read_text()
    config = config.replace("message_size_limit = 100M", f"message_size_limit = {LIMIT_BYTES}")
    assert "check_rcpt:\n" in config
    e2.mta.config_path.write_text(config.replace("check_rcpt:\n", EXIM_ACL.format(place=place)))
    for site in (p2, e2):
        site.node.set_toml("report", f"delay_notice_seconds = {DAY_SECONDS / 2}\n")


@contextlib.contextmanager
def running_world(place: Path) -> Iterator[World]:
    """Set all up and start it; everything ends with the context."""
    world = _make_world(place)
    with contextlib.ExitStack() as stack:
        for site in world.sites:
            stack.callback(site.mta.kill)
            stack.callback(site.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(_start, world.sites))
        yield world


def _start(site: Site) -> None:
    site.mta.start()
    site.start()
