"""The end of a process: who decides it, how its row is settled, and what the reconciler repairs."""
