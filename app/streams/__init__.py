"""Server-sent events: streams the events of a process as they happen."""
