"""The use cases that the API, the monitor and the commands call."""
