"""From the payload of an exec packet to the inbox, or to the outbox for another neighbour.

``receiver`` stages a payload (``incoming``), reads it to its end to prove that it is whole
(``unpack``), puts its messages in the inbox (``bodies``) and sets aside what can never be read
(``quarantine``). ``admission`` says what is taken of whom, and where it goes.
"""
