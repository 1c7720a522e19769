"""Processes that only tests run: each shows one way that a process may go."""
