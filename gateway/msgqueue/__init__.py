"""Our queue of single messages: one SQLite database, outbox and inbox as its two roles.

``store.Queue`` opens it, ``outbox`` and ``inbox`` are what the stages call, ``views`` is what
people look at. No SQL stands outside this package.
"""
