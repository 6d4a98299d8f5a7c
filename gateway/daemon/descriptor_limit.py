"""Descriptors for many connections: the usual limit of 1024 is for programs that use select."""

import resource

WANTED_COUNT = 16384


def raise_descriptor_limit() -> None:
    """Let this process open more files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_COUNT if hard == resource.RLIM_INFINITY else min(WANTED_COUNT, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
