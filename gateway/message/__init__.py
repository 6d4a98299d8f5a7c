"""Mail as bytes and values: envelopes, addresses, line ends, batches and trace fields. Pure."""
