"""Writes NNCP configurations as Hjson, in the order and shape in which the Go tools write them.

Contract: every NNCP tool reads what is written here. Only ``render_new_config`` and
``render_area`` write private keys, for the operator's own file.

Spec: Hjson syntax; NNCP manual, nncp-cfgnew and nncp-cfgmin.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.ids import NodeId, encode_base32
from gateway.nodes import Node
from gateway.packet.keys import PrivateKeys

DEFAULT_SPOOL = "/var/spool/nncp"
DEFAULT_LOG = "/var/spool/nncp/log"
DEFAULT_SENDMAIL = "/usr/sbin/sendmail"

_PLAIN_KEY = re.compile(r"""(?!.*/[/*])[^\s{}\[\],:#"']+""", re.ASCII)
_TEXT_START = re.compile(r"""(?![\s{}\[\],:#"']|/[/*])""")
_LITERAL = re.compile(
    r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*(?:[,\]}#].*|//.*|/\*.*)?"
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a new configuration keeps things.

    Args:
        spool: spool directory, absolute.
        log: log file, absolute.
        sendmail: program that sends notifications.
    """

    spool: str = DEFAULT_SPOOL
    log: str = DEFAULT_LOG
    sendmail: str = DEFAULT_SENDMAIL


def quote_key(key: str) -> str:
    """Write a key, in quotes where Hjson needs them."""
    return key if _PLAIN_KEY.fullmatch(key) and key.isprintable() else _quote(key)


def quote_text(text: str) -> str:
    """Write a text, in quotes where Hjson would read something else without them."""
    is_plain = (
        text != ""
        and text.isprintable()
        and text == text.strip()
        and _TEXT_START.match(text) is not None
        and _LITERAL.fullmatch(text) is None
    )
    return text if is_plain else _quote(text)


def render_new_config(keys: PrivateKeys, places: Places = Places(), *, is_commented: bool = True) -> str:
    """Write a configuration around new keys.

    Args:
        keys: our keys; the private ones are written.
        places: where things are kept.
        is_commented: True explains the settings, with examples of those that are not set.
    """
    values = {
        "spool": quote_text(places.spool),
        "log": quote_text(places.log),
        "sendmail": _quote(places.sendmail),
        "id": keys.id.text,
        **{name: encode_base32(getattr(keys, name)) for name in _KEY_NAMES},
    }
    return (_COMMENTED if is_commented else _BARE).format_map(values)


def render_area(name: str, area: NodeId, pub: bytes, prv: bytes, *, is_commented: bool = True) -> str:
    """Write the section of a new area.

    Args:
        name: its name here.
        area: its id.
        pub: its public key, 32 bytes.
        prv: its private key, 32 bytes.
        is_commented: True says who may have the keys.
    """
    values = {
        "name": quote_key(name),
        "id": area.text,
        "pub": encode_base32(pub),
        "prv": encode_base32(prv),
    }
    return (_COMMENTED_AREA if is_commented else _BARE_AREA).format_map(values)


def render_public_config(spool: str, log: str, nodes: Iterable[Node]) -> str:
    """Write a configuration without private keys and without what is nobody's business.

    Args:
        spool: spool directory.
        log: log file.
        nodes: all neighbours.

    Returns:
        The text, without a line end after the last brace.
    """
    lines = [
        "{",
        f"  spool: {quote_text(spool)}",
        f"  log: {quote_text(log)}",
        "  self: null",
        "  neigh:",
        "  {",
    ]
    for node in sorted(nodes, key=lambda node: node.name):
        keys = node.keys
        lines += [f"    {quote_key(node.name)}:", "    {", f"      id: {keys.id.text}"]
        lines += [
            f"      exchpub: {encode_base32(keys.exchpub)}",
            f"      signpub: {encode_base32(keys.signpub)}",
        ]
        if keys.noisepub is not None:
            lines.append(f"      noisepub: {encode_base32(keys.noisepub)}")
        lines.append("    }")
    return "\n".join([*lines, "  }", "}"])


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


_KEY_NAMES = ("exchpub", "exchprv", "signpub", "signprv", "noiseprv", "noisepub")

_SELF = """\
  self: {{
    # Private keys: never give them to anyone
    id: {id}
    exchpub: {exchpub}
    exchprv: {exchprv}
    signpub: {signpub}
    signprv: {signprv}
    noiseprv: {noiseprv}
    noisepub: {noisepub}
  }}
"""

_BARE = (
    """\
{{
  spool: {spool}
  log: {log}

"""
    + _SELF
    + """\

  neigh: {{
    self: {{
      id: {id}
      exchpub: {exchpub}
      signpub: {signpub}
      noisepub: {noisepub}
      exec: {{sendmail: [{sendmail}]}}
    }}
  }}
}}
"""
)

_COMMENTED = (
    """\
{{
  # Packets wait in this directory
  spool: {spool}
  # Everything that happens is recorded here
  log: {log}
  # File mode mask of all that is created; in quotes
  # umask: "022"
  # Show no progress unless asked to
  # noprogress: true
  # Keep no copies of packet headers
  # nohdr: true

  # Neighbours in the same network announce themselves by multicast.
  # Interfaces on which to listen for them, as regular expressions
  mcd-listen: [".*"]
  # Interfaces on which to announce ourselves, and every how many seconds
  mcd-send: {{.*: 10}}

  # Short names for Yggdrasil keys and endpoints:
  # yggdrasil-aliases: {{
  #   myprv: 1f2e...33d0
  # }}

  # Mails that tell of arrived files, answered requests and executed commands
  # notify: {{
  #   file: {{
  #     from: nncp@localhost
  #     to: files@example.org
  #   }}
  #   freq: {{
  #     from: nncp@localhost
  #     to: requests@example.org
  #   }}
  #   exec: {{
  #     # Node and handle
  #     bob.backup: {{
  #       from: nncp@localhost
  #       to: backups@example.org
  #     }}
  #     # A handle, whoever uses it
  #     *.report: {{
  #       from: nncp@localhost
  #       to: reports@example.org
  #     }}
  #   }}
  # }}

"""
    + _SELF
    + """\

  neigh: {{
    self: {{
      # These are what your neighbours need of you
      id: {id}
      exchpub: {exchpub}
      signpub: {signpub}
      noisepub: {noisepub}

      exec: {{
        # This command sends the mails of notify
        sendmail: [{sendmail}]
      }}
    }}

    # A neighbour; id, exchpub and signpub are required
    # alice: {{
    #   id: AB2C...
    #   exchpub: DE3F...
    #   signpub: GH4I...
    #   # Without it there are no online sessions
    #   noisepub: JK5L...
    #
    #   # Commands that this neighbour may start here, by handle
    #   # exec: {{sendmail: ["/usr/sbin/sendmail"]}}
    #
    #   # Its files are put here; without this they are refused
    #   # incoming: "/home/alice/incoming"
    #
    #   # Its packets travel through these nodes, in this order
    #   # via: ["bob", "eve"]
    #
    #   # End an online session after so many idle seconds
    #   # onlinedeadline: 1800
    #
    #   # End an online session after so many seconds at all
    #   # maxonlinetime: 3600
    #
    #   # What it may request; without path nothing
    #   # freq: {{
    #   #   path: "/home/public"
    #   #   # Send in chunks of so many KiB
    #   #   # chunked: 1024
    #   #   # Pad packets to so many KiB
    #   #   # minsize: 2048
    #   #   # Refuse files of more KiB
    #   #   # maxsize: 4096
    #   # }}
    #
    #   # Packets a second in an online session
    #   # rxrate: 10
    #   # txrate: 20
    #
    #   # Where it can be called
    #   # addrs: {{
    #   #   lan: "[fe80::1%eth0]:5400"
    #   #   internet: alice.example.org:5400
    #   # }}
    #
    #   # When nncp-caller calls it
    #   # calls: [
    #   #   {{
    #   #     cron: "*/10 * * * *"
    #   #     nice: PRIORITY+10
    #   #     xx: rx
    #   #     addr: lan
    #   #     onlinedeadline: 1800
    #   #     maxonlinetime: 1750
    #   #     rxrate: 10
    #   #     txrate: 20
    #   #     when-tx-exists: true
    #   #     nock: true
    #   #     mcd-ignore: true
    #   #
    #   #     # Process packets as they arrive
    #   #     autotoss: true
    #   #     autotoss-doseen: true
    #   #     autotoss-nofile: true
    #   #     autotoss-nofreq: true
    #   #     autotoss-noexec: true
    #   #     autotoss-notrns: true
    #   #   }}
    #   # ]
    # }}
  }}
}}
"""
)

_BARE_AREA = """\
areas: {{
  {name}: {{
    id: {id}
    pub: {pub}
    prv: {prv}
  }}
}}
"""

_COMMENTED_AREA = """\
areas: {{
  {name}: {{
    id: {id}

    # Only who writes and reads needs these; leave them out for a node that just passes the area on
    pub: {pub}
    prv: {prv}

    # Neighbours that get every message of the area
    # subs: ["alice"]

    # Files that come through the area are put here
    # incoming: /home/areas/incoming

    # Commands that messages of the area may start here, by handle
    # exec: {{sendmail: ["/usr/sbin/sendmail"]}}

    # Take messages of senders that are no neighbours, too, with no signature checked
    # allow-unknown: true
  }}
}}
"""
