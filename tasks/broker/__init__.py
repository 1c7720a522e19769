"""What goes through Redis: messages, results, announcements, the capacity of workers, the throttle of starts."""
