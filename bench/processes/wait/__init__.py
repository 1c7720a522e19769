"""`bench-wait`: five steps that wait on a slow HTTP server."""
