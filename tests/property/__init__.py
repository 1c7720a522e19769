"""Drawn processes: their ends in the product are compared with those of a reference interpreter."""
