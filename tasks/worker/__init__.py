"""What a worker process does beside running tasks."""
