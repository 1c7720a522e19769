"""The scheduler, and the ticks that keep its tasks single."""
