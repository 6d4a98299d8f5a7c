"""News: articles, batches of them, and NNTP as dialogues of bytes in and events out. Pure."""
