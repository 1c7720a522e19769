"""A worker that belongs to no process."""
