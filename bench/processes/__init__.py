"""The processes that the benchmark runs: the value of PROCESSES is `bench.processes`."""
