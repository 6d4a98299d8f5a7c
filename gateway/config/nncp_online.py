"""Reads what a neighbour's entry says of online sessions: addresses, limits, the link, calls.

Contract: rates, the deadline and the link of a call are its neighbour's, unless it has its own; the
longest time of a session is not.

Spec: NNCP manual, Configuration file (neighbours and calls).
"""

from dataclasses import replace

from gateway.config.nncp_fields import Section
from gateway.config.nncp_link import LinkValues, link_of, read_link
from gateway.errors import ConfigError
from gateway.ids import NICE_MAX
from gateway.schedule.call import THIN_DEADLINE_SECONDS, AutoToss, Call, Limits, Online
from gateway.schedule.cron import Cron, parse_cron

_KINDS = ("file", "freq", "exec", "trns", "area", "ack")


def read_online(section: Section, deadline_seconds: int) -> Online:
    """Read ``addrs``, ``calls`` and the limits.

    Args:
        section: the neighbour.
        deadline_seconds: if the configuration names none.
    """
    link = read_link(section, {})
    limits = _read_limits(section, _with_thin(Limits(deadline_seconds=deadline_seconds), link))
    addresses = read_texts_by_name(section, "addrs")
    calls = [
        _read_call(call, limits, link, addresses, deadline_seconds)
        for call in section.listed_sections("calls")
    ]
    return Online(
        addresses, limits, tuple(call for call in calls if call is not None), link_of(link, deadline_seconds)
    )


def read_texts_by_name(section: Section, key: str) -> dict[str, str]:
    """An object of names with a text each; null ones are left out."""
    names = section.names(key)
    if names is None:
        return {}
    found = {name: names.text(name) for name in names.unread()}
    return {name: text for name, text in found.items() if text is not None}


def _read_limits(section: Section, inherited: Limits) -> Limits:
    rx, tx = section.signed("rxrate"), section.signed("txrate")
    deadline_seconds = section.integer("onlinedeadline", 1, unit=" of seconds")
    return Limits(
        rx_per_second_count=inherited.rx_per_second_count if rx is None else max(rx, 0),
        tx_per_second_count=inherited.tx_per_second_count if tx is None else max(tx, 0),
        deadline_seconds=deadline_seconds or inherited.deadline_seconds,
        longest_seconds=section.integer("maxonlinetime", unit=" of seconds") or 0,
    )


def _with_thin(limits: Limits, link: LinkValues) -> Limits:
    if not link.get("is_thin"):
        return limits
    return replace(limits, deadline_seconds=max(limits.deadline_seconds, THIN_DEADLINE_SECONDS))


def _read_call(
    call: Section,
    inherited: Limits,
    inherited_link: LinkValues,
    addresses: dict[str, str],
    deadline_seconds: int,
) -> Call | None:
    cron = _read_cron(call)
    nice = call.nice("nice")
    direction = call.text("xx")
    if direction is not None and direction not in {"rx", "tx"}:
        call.refuse("xx", 'allowed: "rx" or "tx"')
    address = call.text("addr")
    link = read_link(call, inherited_link)
    # Thin by the call alone: the neighbour's deadline is for its other links.
    is_newly_thin = not inherited_link.get("is_thin")
    limits = _read_limits(call, _with_thin(inherited, link) if is_newly_thin else inherited)
    is_tx_needed, is_nock = call.flag("when-tx-exists"), call.flag("nock")
    is_mcd_ignored = call.flag("mcd-ignore")
    autotoss = _read_autotoss(call)
    call.finish()
    if cron is None:
        return None
    return Call(
        cron=cron,
        nice=NICE_MAX if nice is None else nice,
        xx=direction,
        address=None if address is None else addresses.get(address, address),
        limits=limits,
        link=link_of(link, deadline_seconds),
        is_tx_needed=bool(is_tx_needed),
        is_nock=bool(is_nock),
        is_mcd_ignored=bool(is_mcd_ignored),
        autotoss=autotoss,
    )


def _read_autotoss(call: Section) -> AutoToss | None:
    is_wanted = call.flag("autotoss")
    settings = AutoToss(
        is_seen_marked=bool(call.flag("autotoss-doseen")),
        is_ack_generated=bool(call.flag("autotoss-gen-ack")),
        left_alone=frozenset(kind for kind in _KINDS if call.flag(f"autotoss-no{kind}")),
    )
    return settings if is_wanted else None


def _read_cron(call: Section) -> Cron | None:
    error_count = len(call.findings.errors)
    text = call.text("cron")
    if text is None and len(call.findings.errors) > error_count:
        return None
    try:
        return parse_cron(text or "")
    except ConfigError as error:
        call.refuse("cron", str(error))
        return None
