"""Where a running process stands: its active elements, and what each of them waits for."""
