"""The facade, the monitor, commands and tasks on a real Redis and a real database, without engine and workers."""
