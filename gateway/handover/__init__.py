"""What a local program and the daemon say to each other when one hands a message to the other."""
