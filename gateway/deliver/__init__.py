"""From the inbox to where mail is kept: a local mail server, its sendmail command, or a Maildir.

``deliverer`` takes what is due and records what became of it, ``retry`` says when to try again,
``outcome`` is the one table of what replies and exit statuses mean. ``smtp``, ``sendmail_command``
and ``maildir`` are the places mail is delivered to, behind the protocol in ``target``.
"""
