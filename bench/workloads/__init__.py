"""The workloads of issue 5, a module each."""
