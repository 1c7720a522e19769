"""Logging to standard error, and the redaction of secrets.

It is outside of `app` and `tasks`, because the parent of the web processes imports it and needs neither of them.
"""
