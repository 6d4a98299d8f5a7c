"""What operators see: messages of the queue, links with neighbours, whether files are as they must be."""
