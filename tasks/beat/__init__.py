"""Work that comes with time: the scheduler, the ticks that run a task once an interval, rounds over many rows."""
