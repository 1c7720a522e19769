"""`bench-hold`: one step that nobody runs, so that its process waits until it is ended from outside."""
