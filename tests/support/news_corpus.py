"""Real articles, which belong to their senders and are not part of this project.

The environment variable ``NNCP_GATEWAY_NEWS_CORPUS``, or else the sub-folder ``news`` of what
``NNCP_GATEWAY_CORPUS`` names, is a folder of articles, a file each.
"""

import os
from pathlib import Path

VARIABLE = "NNCP_GATEWAY_NEWS_CORPUS"
MAIL_VARIABLE = "NNCP_GATEWAY_CORPUS"


def corpus_files() -> list[bytes]:
    """All articles, with LF line ends and one behind the last line; empty: there are none."""
    folder = Path(os.environ.get(VARIABLE) or f"{os.environ.get(MAIL_VARIABLE, '/nonexistent')}/news")
    if (folder / "news").is_dir():
        folder = folder / "news"
    if not folder.is_dir():
        return []
    contents = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [content if content.endswith(b"\n") else content + b"\n" for content in contents]
