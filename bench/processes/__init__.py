"""The processes of the benchmark; it sets PROCESSES to `bench.processes`."""
