"""What operators see: messages of the queue, and whether files and permissions are in order."""
