"""Pauses, limits and leases of topics."""
