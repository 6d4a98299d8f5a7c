"""The ``nncp-*`` commands: flags, output and exit codes of the Go tools of the same names."""
