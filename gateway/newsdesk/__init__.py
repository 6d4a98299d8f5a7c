"""What all ways in for news share: whether an article is taken, what is done to it, and where it goes."""
