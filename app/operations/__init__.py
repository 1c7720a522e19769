"""What ops do to processes through the API and the monitor: cancel, complete, retry, for one or for many."""
