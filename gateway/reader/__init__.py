"""What newsreaders read: groups, overview and articles, in a database of its own that may be deleted."""
