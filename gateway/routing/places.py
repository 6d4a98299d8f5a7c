"""Which of several places mail for here is delivered to, by the recipient's domain.

The most exact pattern wins, as in ``gateway.routing.table``: a domain, then the longest ``.domain``. What no
pattern names goes to the first place.
"""

from collections.abc import Sequence

from gateway.errors import ConfigError
from gateway.message.address import domain_of, shown
from gateway.routing.table import domains_for


class Places:
    """Chooses a place, by its number.

    Args:
        patterns: for each place the domains, and ``.domain`` for those below one.

    Raises:
        ConfigError: a pattern stands twice.
    """

    def __init__(self, patterns: Sequence[Sequence[str]]) -> None:
        self._numbers: dict[str, int] = {}
        for number, own in enumerate(patterns):
            for pattern in own:
                if self._numbers.setdefault(pattern.lower(), number) != number:
                    raise ConfigError(f"{shown(pattern)} has two targets; allowed: each domain once")

    def number_of(self, address: str) -> int:
        """The number of the place, from 0, that mail for an address is delivered to.

        Args:
            address: of somebody here, without angle brackets.
        """
        if "@" not in address:
            return 0
        found = (self._numbers.get(pattern) for pattern in domains_for(domain_of(address)))
        return next((number for number in found if number is not None), 0)
