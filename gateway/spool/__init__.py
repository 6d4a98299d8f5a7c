"""NNCP's directory of packets, as the Go tools keep it: layout, commits, locks and the log."""
