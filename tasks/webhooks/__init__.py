"""Webhooks: post the end of a process to its callback URL, signed, until it is accepted or no attempt is left."""
