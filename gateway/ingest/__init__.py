"""Takes mail in from mail systems and mail programs, and answers for it only once it is on disk."""
