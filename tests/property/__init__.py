"""Drawn processes: what the product says of their end is held against a reference interpreter."""
