"""A step whose handler runs in a process of its own."""
