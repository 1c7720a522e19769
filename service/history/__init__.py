"""The history of one instance, for the monitor: its execution overlay."""
