"""The start of a process: from the accepted row to the running instance."""
