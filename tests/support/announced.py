"""Run in a network of its own: on which interfaces does a command send announcements?

    python -m tests.support.announced COMMANDS

COMMANDS is a JSON list of command lines. For each its exit status, what it wrote to standard error, and the
interfaces it was heard on go to standard output, as a JSON list.
"""

import json
import subprocess
import sys

from gateway.carry.online.multicast_socket import find_interfaces, open_receiver, receive

RUN_SECONDS = 60
ENOUGH_COUNT = 1000


def main() -> None:
    """Run the commands one by one."""
    receivers = {interface: open_receiver(interface) for interface in find_interfaces()}
    found = []
    for argv in json.loads(sys.argv[1]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
        # A cable hands over at once: what was sent is here.
        heard = [
            interface.name
            for interface, receiver in receivers.items()
            if list(receive(receiver, interface, ENOUGH_COUNT))
        ]
        found.append([done.returncode, done.stderr.strip(), heard])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
