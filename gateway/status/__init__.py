"""What operators see: messages of the queue, links with neighbours, and whether files and permissions are in order."""
