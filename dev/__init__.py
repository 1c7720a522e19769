"""The local stack: what `make run`, the tests and the benchmark start on a developer's machine."""
