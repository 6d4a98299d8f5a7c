"""What the NNTP server says of itself: CAPABILITIES and HELP.

Spec: RFC 3977 sections 5.2 and 7.2, RFC 4642 section 2.1, RFC 4643 section 2.1, RFC 4644 section 2.1.
"""

from gateway.nntp.events import Access, ListKeyword

SOFTWARE = "nncp-gateway"
HELP = (
    "ARTICLE|BODY|HEAD|STAT [number|<message-id>]",
    "AUTHINFO USER name|PASS password|SASL PLAIN [response]",
    "CAPABILITIES",
    "CHECK <message-id>",
    "DATE",
    "GROUP name",
    "HDR|XHDR field [range|<message-id>]",
    "HELP",
    "IHAVE <message-id>",
    "LAST",
    "LIST [ACTIVE|ACTIVE.TIMES|COUNTS|NEWSGROUPS [wildmat]]",
    "LIST HEADERS|OVERVIEW.FMT",
    "LISTGROUP [name [range]]",
    "MODE READER|STREAM",
    "NEWGROUPS date time [GMT]",
    "NEWNEWS wildmat date time [GMT]",
    "NEXT",
    "OVER|XOVER [range|<message-id>]",
    "POST",
    "QUIT",
    "STARTTLS",
    "TAKETHIS <message-id>",
    "XPAT field range|<message-id> pattern",
)


def capability_lines(
    access: Access, *, is_tls_possible: bool, is_auth_possible: bool, is_auth_open: bool, is_newnews_on: bool
) -> list[str]:
    """The list for a client as it stands.

    Args:
        access: what the client may do.
        is_tls_possible: STARTTLS would be taken.
        is_auth_possible: who authenticates may be allowed more.
        is_auth_open: a password would be taken now.
        is_newnews_on: NEWNEWS is served.
    """
    lines = ["VERSION 2", f"IMPLEMENTATION {SOFTWARE}"]
    if is_auth_possible:
        lines += ["AUTHINFO USER SASL", "SASL PLAIN"] if is_auth_open else ["AUTHINFO"]
    if is_tls_possible:
        lines.append("STARTTLS")
    if access.may_feed:
        lines += ["IHAVE", "STREAMING"]
    if access.may_post:
        lines.append("POST")
    if access.may_read:
        lists = sorted((*ListKeyword, "HEADERS", "OVERVIEW.FMT"))
        lines += ["READER", f"LIST {' '.join(lists)}", "OVER MSGID", "HDR"]
        lines += ["NEWNEWS"] * is_newnews_on
    return lines
