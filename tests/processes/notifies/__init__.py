"""A process that uses the topic of a worker."""
