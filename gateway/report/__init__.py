"""Tells senders what became of their mail: bounces and delay notices, put in the queue as mail of their own.

``rules`` decides who is told, ``reporter`` is the stage.
"""
