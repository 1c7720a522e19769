"""Metrics for Prometheus: their declaration, the files in which processes share counts, and the HTTP port."""
