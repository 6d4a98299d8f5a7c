"""Which deliveries a person means: what ``queue list`` shows and every operation works on. Pure.

Whatever is given narrows the selection; of values of one kind any may fit. Patterns know ``*`` (any
characters) and ``?`` (one); case does not count.
"""

from dataclasses import dataclass

from gateway.msgqueue.entry import Role, State

NULL_SENDER = "<>"
_ESCAPE = "\\"
_LIKE = {"*": "%", "?": "_", "%": _ESCAPE + "%", "_": _ESCAPE + "_", _ESCAPE: _ESCAPE * 2}

Values = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that a delivery has to fulfil; one without any is everything.

    Args:
        ids: queue ids of messages.
        role: outbox or inbox; None: both.
        states: any of them; none: all.
        nodes: texts of node ids: where it goes, or in the inbox, where it came from.
        senders: patterns of the envelope sender; ``<>`` is the null sender.
        recipients: patterns of the recipient.
        nice: niceness of its lane.
        min_age_seconds: since the message came, on the queue's clock.
        max_age_seconds: the same.
        min_size_bytes: of the message.
        max_size_bytes: the same.
    """

    ids: tuple[str, ...] = ()
    role: Role | None = None
    states: tuple[State, ...] = ()
    nodes: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    nice: int | None = None
    min_age_seconds: float | None = None
    max_age_seconds: float | None = None
    min_size_bytes: int | None = None
    max_size_bytes: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return self == Selection()

    def condition(self, now: float) -> tuple[str, Values]:
        """The condition in SQL, of a message ``m`` and its delivery ``d``, and its values.

        Args:
            now: on the queue's clock.
        """
        values: Values = {}
        marks = _Marks(values)
        parts = [
            _any("m.id = {}", self.ids, marks),
            _any("m.role = {}", () if self.role is None else (self.role,), marks),
            _any("d.state = {}", self.states, marks),
            _any("CASE d.node WHEN '' THEN m.origin_node ELSE d.node END = {}", self.nodes, marks),
            _any(f"m.sender LIKE {{}} ESCAPE '{_ESCAPE}'", tuple(map(_like, self.senders)), marks),
            _any(f"d.recipient LIKE {{}} ESCAPE '{_ESCAPE}'", tuple(map(_like, self.recipients)), marks),
            _any("d.nice = {}", _given(self.nice), marks),
            _any("m.arrived_at <= {}", tuple(now - age for age in _given(self.min_age_seconds)), marks),
            _any("m.arrived_at >= {}", tuple(now - age for age in _given(self.max_age_seconds)), marks),
            _any("m.size_bytes >= {}", _given(self.min_size_bytes), marks),
            _any("m.size_bytes <= {}", _given(self.max_size_bytes), marks),
        ]
        return " AND ".join(part for part in parts if part) or "1", values


class _Marks:
    """Names the values of a condition, one after the other."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def new(self, value: str | float) -> str:
        """The mark of one more value."""
        name = f"s{len(self._values)}"
        self._values[name] = value
        return f":{name}"


def _any(form: str, wanted: tuple[str | int | float, ...], marks: _Marks) -> str:
    parts = [form.format(marks.new(value)) for value in wanted]
    return f"({' OR '.join(parts)})" if parts else ""


def _given(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


def _like(pattern: str) -> str:
    """A pattern of ours as one of LIKE; ``<...>`` around an address does not count."""
    bare = pattern[1:-1] if pattern.startswith("<") and pattern.endswith(">") else pattern
    return "".join(_LIKE.get(char, char) for char in bare)
