"""Processes that only tests run; each has one feature that a process may have."""
