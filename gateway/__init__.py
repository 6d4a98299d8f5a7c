"""A mail and news gateway over NNCP packets, for networks that are offline most of the time."""

__version__ = "0.1.0"
