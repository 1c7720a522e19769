"""The workloads, a module each."""
