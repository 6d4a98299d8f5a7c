"""The exit statuses under their old name."""

from gateway.errors import UsageFault
from gateway.exits import DATA, NO_HOST, OK, TRY_LATER

__all__ = ["DATA", "NO_HOST", "OK", "TRY_LATER", "UsageFault"]
