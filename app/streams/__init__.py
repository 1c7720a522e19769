"""Server-sent events: what happens in a process, as it happens."""
