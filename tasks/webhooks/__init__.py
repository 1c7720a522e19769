"""Webhooks: tell whoever asked for it how a process ended, signed, until they have it or the attempts are used up."""
