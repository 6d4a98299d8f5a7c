"""From the outbox to the spool: messages of one lane become one batch, and that one packet."""
