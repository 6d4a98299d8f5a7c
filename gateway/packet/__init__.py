"""NNCP's packet format: bytes in, bytes out. No I/O, clock or randomness of its own."""
