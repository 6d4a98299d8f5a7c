"""Two private Syncthing instances that keep one folder alike, over 127.0.0.1 alone.

No discovery, no relays, no look at other networks, no upgrades, no reports. Needs Syncthing 1.19 or newer.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Self

from tests.support.peers import require
from tests.support.ports import free_port
from tests.support.processes import Running, tail, wait_until

START_SECONDS = 60
FOLDER = "box"
_QUIET_OPTIONS = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "startBrowser": "false",
    "autoUpgradeIntervalH": "0",
    "urAccepted": "-1",
    "urURL": "",
    "crashReportingEnabled": "false",
    "crashReportingURL": "",
    "stunKeepaliveStartS": "0",
    "stunServer": "",
    "announceLANAddresses": "false",
    "reconnectionIntervalS": "1",
    "setLowPriority": "false",
    "limitBandwidthInLan": "true",
}


class Instance:
    """One Syncthing.

    Attributes:
        folder: what it shares.
        device: its id, known once it was prepared.
    """

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        self.port, self._api_port = free_port(), free_port()
        self._home = home
        self._config = home / "config.xml"
        self._running: Running | None = None
        (folder / ".stfolder").mkdir(parents=True)
        subprocess.run(
            [require("syncthing"), "generate", "--home", str(home), "--no-default-folder"],
            check=True,
            env=_environ(home),
            capture_output=True,
            timeout=START_SECONDS,
        )
        root = ET.parse(self._config).getroot()  # noqa: S314 - our own file
        device, key = root.find("device"), root.find("gui/apikey")
        assert device is not None
        assert key is not None
        self.device = device.attrib["id"]
        self._key = key.text or ""

    def configure(self, instances: list["Instance"], send_kib_per_second: int) -> None:
        """Share the folder with the others."""
        tree = ET.parse(self._config)  # noqa: S314 - our own file
        root = tree.getroot()
        options, gui = root.find("options"), root.find("gui")
        assert options is not None
        assert gui is not None
        _put(options, "listenAddress", f"tcp://127.0.0.1:{self.port}")
        _put(options, "maxSendKbps", str(send_kib_per_second))
        for name, value in _QUIET_OPTIONS.items():
            _put(options, name, value)
        gui.set("enabled", "true")
        _put(gui, "address", f"127.0.0.1:{self._api_port}")
        for element in [*root.findall("device"), *root.findall("folder")]:
            root.remove(element)
        shared = ET.SubElement(root, "folder", id=FOLDER, label=FOLDER, path=str(self.folder))
        shared.attrib |= {"type": "sendreceive", "rescanIntervalS": "2"}
        shared.attrib |= {"fsWatcherEnabled": "true", "fsWatcherDelayS": "1"}
        for instance in instances:
            device = ET.SubElement(root, "device", id=instance.device, compression="never")
            ET.SubElement(device, "address").text = f"tcp://127.0.0.1:{instance.port}"
            ET.SubElement(shared, "device", id=instance.device)
        tree.write(self._config)

    def start(self) -> None:
        """Start, and wait for its own interface to answer."""
        argv = [require("syncthing"), "serve", "--home", str(self._home), "--no-browser", "--no-restart"]
        self._running = Running(argv, self._home / "log", env=_environ(self._home))
        self._running.wait_ready(lambda: self.ask("system/ping"), START_SECONDS, "its answer")

    def ask(self, what: str) -> dict[str, Any]:
        """What its own interface says; empty: it does not answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._api_port}/rest/{what}", headers={"X-API-Key": self._key}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own instance
                loaded: dict[str, Any] = json.load(answer)
        except (OSError, urllib.error.URLError):
            return {}
        return loaded

    def log_text(self) -> str:
        """The end of its log."""
        return tail(self._home / "log")

    def stop(self) -> None:
        """End it and what it started."""
        if self._running is not None:
            self._running.stop()
            self._running.kill_group()
            self._running = None


class SyncedFolder:
    """A folder at two places, kept alike while the context lasts.

    Args:
        first, second: the places; both are made.
        directory: where the instances keep their own files.
        send_kib_per_second: how fast each sends; slow makes half-written files last.
    """

    def __init__(self, directory: Path, first: Path, second: Path, send_kib_per_second: int = 0) -> None:
        self._instances = [
            Instance(directory / f"syncthing-{number}", folder)
            for number, folder in enumerate((first, second))
        ]
        for instance in self._instances:
            instance.configure(self._instances, send_kib_per_second)

    def __enter__(self) -> Self:
        try:
            for instance in self._instances:
                instance.start()
            wait_until(self._is_connected, START_SECONDS, "their connection", explain=self.log_text)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for instance in self._instances:
            instance.stop()

    def log_text(self) -> str:
        """The ends of both logs."""
        return "\n".join(instance.log_text() for instance in self._instances)

    def _is_connected(self) -> bool:
        first, second = self._instances
        found = first.ask("system/connections").get("connections", {}).get(second.device, {})
        return bool(found.get("connected"))


def _environ(home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ST")}
    return {**inherited, "HOME": str(home), "STNOUPGRADE": "1", "STNODEFAULTFOLDER": "1"}


def _put(parent: ET.Element, name: str, value: str) -> None:
    for element in parent.findall(name):
        parent.remove(element)
    ET.SubElement(parent, name).text = value
