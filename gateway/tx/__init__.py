"""Making packets and committing them to the spool: exec and exec-fat, and what is relayed."""
