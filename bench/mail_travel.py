"""From one mail server to another: ours in between, and NNCP's own recipe, under the same load.

The clock runs from the first submission to the last file in the far Maildir. Ours: the server hands the
mail over by LMTP, as its kit has it, and Exim also by SMTP while it comes (cut-through); batches travel
through an open session over TCP, the far daemon hands them to the far server; all of it at the same time, at
a fast link's settings. The recipe: a pipe with one nncp-exec a mail; when all are packed, one bundle; then
nncp-toss, which starts the far server's command for each mail. Both use the same two servers, side by side;
the sides take turns.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bench.figures import BenchError, Figure, side_by_side
from bench.mail_letters import hand_in, letters
from bench.mail_site import Nodes, file_count, need, open_place, scaled, wait_for
from gateway.ids import ID_CHARS
from tests.support.exim import EximInstance
from tests.support.gonncp import GoMesh
from tests.support.peers import PROJECT, require
from tests.support.ports import free_port
from tests.support.postfix import PostfixInstance
from tests.support.processes import as_user

COUNT = scaled(1000)
POSTFIX_ROUNDS, EXIM_ROUNDS = scaled(3), scaled(2)
WARM_COUNT = 20
TRAVEL_SECONDS = 300
OURS, THEIRS = "bob@b.test", "bob@c.test"
FAST_LINK = "max_age_seconds = 0.2\nmax_messages = 200\nlevel = 1\n"
"""As docs/howto/fast-and-costly-links.md has them."""
_HANDLER = """\
#!/bin/sh -e
IFS= read -r first
case $first in "Return-Path: <"*">") s=${{first#Return-Path: <}}; s=${{s%>}};; *) exit 65;; esac
exec {sendmail} -i -f "${{s:-<>}}" -- "$@"
"""
_RECIPE_ROUTER = """\
recipe:
  driver = manualroute
  domains = c.test
  transport = nncp
  route_list = c.test c
"""
_RECIPE_TRANSPORT = """\
nncp:
  driver = pipe
  batch_max = 100
  use_bsmtp
  command = {command} -noprogress -quiet -cfg {config} $host rsmtp
  return_fail_output
"""
_SOCKET_MODE = 0o666
"""Servers of three users hand mail in here; at a site a group lets them."""


class _Server(Protocol):
    """A mail server of the tests."""

    port: int
    maildir: Path

    def log_text(self) -> str: ...


class _Gateway(NamedTuple):
    """Where a gateway takes mail: by LMTP and by SMTP."""

    socket: Path
    port: int


class _Way:
    """Mail for one domain, from server to server."""

    def __init__(self, near: _Server, far: _Server, recipient: str, carry: Callable[[int], None]) -> None:
        self._near, self._far, self._recipient, self._carry = near, far, recipient, carry

    def rate(self, mails: Sequence[bytes]) -> float:
        """Send mails; returns how many a second arrived."""
        new = self._far.maildir / "new"
        wanted_count = file_count(new) + len(mails)
        start = time.perf_counter()
        hand_in(self._near.port, mails, recipient=self._recipient)
        self._carry(len(mails))
        try:
            wait_for(lambda: file_count(new) >= wanted_count, "the mails", TRAVEL_SECONDS)
        except BenchError as error:
            error.add_note(f"{self._near.log_text()}\n{self._far.log_text()}")
            raise
        return len(mails) / (time.perf_counter() - start)


class _Recipe:
    """Go nodes a and c; packets go from a to c.

    Args:
        place: of their directories.
        handle: what the sender names.
        handler: what c runs.
        user: who tosses; all of it belongs to that user.
    """

    def __init__(self, place: Path, handle: str, handler: Path, user: str | None) -> None:
        self._mesh = GoMesh(place, ["a", "c"])
        self._mesh.set_exec("c", "a", handle, [handler])
        self._user = user
        self.config = self._mesh["a"].config_path
        for path in (place, *place.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)

    def carry(self, count: int) -> None:
        """Wait until all mails are packets, bundle them over, toss them."""
        a, c = self._mesh["a"], self._mesh["c"]
        tx = a.spool / c.id / "tx"
        wait_for(lambda: _packet_count(tx) >= count, f"{count} packets", TRAVEL_SECONDS)
        with subprocess.Popen(
            self._argv("a", "nncp-bundle", "-tx", "-delete", "c"), stdout=subprocess.PIPE
        ) as out:
            subprocess.run(self._argv("c", "nncp-bundle", "-rx"), stdin=out.stdout, check=True)
        if out.returncode:
            raise BenchError(f"nncp-bundle ended with {out.returncode}")
        subprocess.run(self._argv("c", "nncp-toss"), check=True, timeout=TRAVEL_SECONDS)

    def _argv(self, node: str, tool: str, *words: str) -> list[Any]:
        path = str(self._mesh[node].config_path)
        return as_user(self._user, [require(tool), "-quiet", "-noprogress", "-cfg", path, *words])


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("postfix", "postconf", "nncp-exec", "nncp-bundle", "nncp-toss", "exim4")
    mails = letters(COUNT)
    with open_place() as place, ExitStack() as stack:
        yield _figure("postfix", _between_postfixes(place, stack), mails, POSTFIX_ROUNDS, 6.0)
    with open_place() as place, ExitStack() as stack:
        yield _figure("exim", _between_exims(place, stack, _by_lmtp), mails, EXIM_ROUNDS, 3.0)
    with open_place() as place, ExitStack() as stack:
        yield _figure(
            "exim_cut_through", _between_exims(place, stack, _while_it_comes), mails, EXIM_ROUNDS, 3.0
        )


def _figure(name: str, ways: tuple[_Way, _Way], mails: Sequence[bytes], rounds: int, target: float) -> Figure:
    for way in ways:
        way.rate(mails[:WARM_COUNT])
    ours, its = side_by_side(lambda _: ways[0].rate(mails), lambda _: ways[1].rate(mails), repeats=rounds)
    return Figure(f"mail.travel_{name}_per_second", ours, its, target)


def _between_postfixes(place: Path, stack: ExitStack) -> tuple[_Way, _Way]:
    near = PostfixInstance(place / "pa", "mx.a.test", ["a.test"])
    far = PostfixInstance(place / "pb", "mx.b.test", ["b.test", "c.test"])
    handler = place / "handler"
    handler.write_text(_HANDLER.format(sendmail=far.sendmail))
    handler.chmod(0o755)
    recipe = _Recipe(place / "go", "sendmail", handler, None)
    near.set("relay_domains = b.test c.test")
    near.add_service(
        "nncp unix - n n - - pipe flags=Rq null_sender= user=mail"
        f" argv={require('nncp-exec')} -quiet -noprogress -cfg {recipe.config} $nexthop sendmail $recipient"
    )
    near.add_service("nncplmtp unix - - n - 20 lmtp")
    near.set("nncplmtp_destination_recipient_limit = 1000")
    near.add_transport(f"b.test nncplmtp:unix:{_serve_nodes(place, stack, far.port).socket}")
    near.add_transport("c.test nncp:c")
    for server in (near, far):
        stack.enter_context(server)
    return _Way(near, far, OURS, lambda _: None), _Way(near, far, THEIRS, recipe.carry)


def _between_exims(
    place: Path, stack: ExitStack, kit: Callable[[_Gateway, str], dict[str, str]]
) -> tuple[_Way, _Way]:
    far = EximInstance(place / "eb", "mx.b.test", ["b.test", "c.test"])
    recipe = _Recipe(place / "go", "rsmtp", far.rsmtp, far.user)
    ours = kit(_serve_nodes(place, stack, far.port), far.user)
    ours["routers"] += _RECIPE_ROUTER
    command = _RECIPE_TRANSPORT.format(command=require("nncp-exec"), config=recipe.config)
    ours["transports"] += f"\n{command}"
    near = EximInstance(place / "ea", "mx.a.test", ["a.test"], **ours)
    for server in (near, far):
        stack.enter_context(server)
    return _Way(near, far, OURS, lambda _: None), _Way(near, far, THEIRS, recipe.carry)


def _by_lmtp(gateway: _Gateway, user: str) -> dict[str, str]:
    """The first router and transport of the kit."""
    transport = _sample("transport").replace("/run/nncp-gateway/lmtp", str(gateway.socket))
    return {"routers": _sample("router"), "transports": transport.replace("user = nncp", f"user = {user}")}


def _while_it_comes(gateway: _Gateway, _user: str) -> dict[str, str]:
    """Those for SMTP, with what the kit puts into the ACL."""
    transport = _sample("transport_smtp").replace("port = 2525", f"port = {gateway.port}")
    return {"routers": _sample("router_smtp"), "transports": transport, "acl": _sample("acl_rcpt")}


def _sample(name: str) -> str:
    return (PROJECT / f"exim/{name}.sample").read_text()


def _serve_nodes(place: Path, stack: ExitStack, far_port: int) -> _Gateway:
    """Start two nodes with an open session between them; returns the first."""
    nodes = Nodes(place, options=((), ("--deliver", f"smtp:127.0.0.1:{far_port}")), batch=FAST_LINK)
    port = free_port()
    nodes.b.set_toml("online", f'listen = ["127.0.0.1:{port}"]\n')
    nodes.a.set_toml("online", "calls = true\n")
    mail_socket = place / "lmtp"
    nodes.a.set_toml("lmtp", f'socket = "{mail_socket}"\nsocket_mode = "{_SOCKET_MODE:04o}"\n')
    config = nodes.a.nncp()
    config["neigh"]["b"] |= {
        "addrs": {"main": f"127.0.0.1:{port}"},
        "calls": [{"cron": "* * * * * * *", "onlinedeadline": 3600}],
    }
    nodes.a.nncp_path.write_text(json.dumps(config))
    stack.enter_context(nodes.b.serving())
    stack.enter_context(nodes.a.serving())
    return _Gateway(mail_socket, nodes.a.port())


def _packet_count(box: Path) -> int:
    names = (path.name for path in box.iterdir()) if box.is_dir() else iter(())
    return sum(len(name) == ID_CHARS for name in names)
