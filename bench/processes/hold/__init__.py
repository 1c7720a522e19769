"""`bench-hold`: one step without a handler, so that its process waits until `POST /api/process/complete` ends it."""
