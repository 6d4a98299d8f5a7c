"""Taking packets from one node to another."""
