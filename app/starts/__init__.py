"""Accepting a start and waiting for its result."""
