"""How the end of a process is written down."""
