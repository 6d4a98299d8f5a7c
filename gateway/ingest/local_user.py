"""Users of this machine, by their number."""

import pwd
import re
import socket
import struct

from gateway.ingest.mail_command import LocalUser

_CREDENTIALS = struct.Struct("3i")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9._+-]")


def find_user(uid: int) -> LocalUser:
    """The user with a number; it may ask a directory service, and wait for it."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return LocalUser(str(uid))
    # The full name stands before the first comma; & in it means the name of the user.
    full_name = entry.pw_gecos.partition(",")[0].replace("&", entry.pw_name.capitalize())
    return LocalUser(_NOT_IN_NAME.sub("_", entry.pw_name) or str(uid), full_name)


def peer_uid(link: socket.socket) -> int:
    """The number of the user at the other end of a unix socket, as the kernel knows it."""
    raw = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return int(uid)
