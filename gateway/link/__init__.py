"""NNCP's online protocol: bytes and time in; bytes, events and deadlines out. No I/O, clock or randomness."""
