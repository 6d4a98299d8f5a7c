"""The first eight bytes of everything NNCP writes, put in words.

Spec: NNCP 8 manual, Encrypted packet and Plain packet.
"""

_LAST_VERSION_READING = {
    b"NNCPE\0\0\x01": ("encrypted packet v1", "0.12"),
    b"NNCPE\0\0\x02": ("encrypted packet v2", "1.0"),
    b"NNCPE\0\0\x03": ("encrypted packet v3", "3.4"),
    b"NNCPE\0\0\x04": ("encrypted packet v4", "6.6.0"),
    b"NNCPE\0\0\x05": ("encrypted packet v5", "7.7.0"),
    b"NNCPM\0\0\x01": ("chunked .meta v1", "6.6.0"),
    b"NNCPP\0\0\x01": ("plain packet v1", "2.0"),
    b"NNCPP\0\0\x02": ("plain packet v2", "4.1"),
}


def describe_magic(magic: bytes) -> str:
    """Say what a refused magic is, such as an old format and the last NNCP version that used it.

    Spec: NNCP 8 manual, Encrypted packet and Plain packet.
    """
    if magic in _LAST_VERSION_READING:
        name, version = _LAST_VERSION_READING[magic]
        return f"{name} format is unsupported (used till {version})"
    return f"unknown magic number {magic.hex()}"
