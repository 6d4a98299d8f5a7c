"""Toss a file: put it into the incoming directory that its sender has here."""

import os
from pathlib import Path

from gateway.errors import ConfigError, GatewayError, PacketError, StoreError
from gateway.spool.sizes import ibytes
from gateway.toss.incoming import Incoming
from gateway.toss.inside import Traversal
from gateway.toss.packet import ReceivedPacket, Tossed
from gateway.toss.work import Work


def toss_file(work: Work, packet: ReceivedPacket) -> Tossed:
    """Write the file.

    In a dry run the packet is proven and nothing written.

    Raises:
        Failed: the sender has no incoming, the path does not lie in it, the packet is not whole, or
            the disk refused.
    """
    target = os.fsdecode(packet.plain.path)
    if packet.sender.incoming is None:
        raise packet.failed("rx-no-incoming", ConfigError("incoming is not allowed"), target)
    incoming = Incoming(Path(packet.sender.incoming), work.spool.disk)
    try:
        place = incoming.place(packet.plain.path)
        if work.settings.is_dry_run:
            for _piece in packet.first:
                pass
        else:
            incoming.put(place, packet.job.packet, packet.first)
    except Traversal as error:
        raise packet.failed("rx-traversal", error, target, "traversal") from error
    except StoreError as error:
        raise packet.failed("rx-copy", error, target, "copying") from error
    except PacketError as error:
        who = "rx-non-rel" if packet.plain.path.startswith(b"/") else "rx-unmarshal"
        raise packet.failed(who, error, target, "" if who == "rx-non-rel" else "unmarshal") from error
    except GatewayError as error:
        raise packet.failed("rx-copy", error, target, "copying") from error
    sender, size = packet.sender.name, ibytes(packet.size_bytes)
    if not work.settings.is_dry_run:
        subject = f"File from {sender}: {target} ({size})"
        work.notify(packet, work.settings.file_notice, subject, target)
    return Tossed(packet.fields(target), f"Got file {target} ({size}) from {sender}")
