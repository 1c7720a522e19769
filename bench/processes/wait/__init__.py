"""`bench-wait`: five steps that wait for a slow HTTP server."""
