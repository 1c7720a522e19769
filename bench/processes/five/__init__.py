"""`bench-five`: five steps that do nothing."""
