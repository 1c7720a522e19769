"""What goes through Redis: messages, results, announcements."""
