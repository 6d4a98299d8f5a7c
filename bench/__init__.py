"""Benchmarks: ours and the peer's figures in one run, side by side."""
