"""The benchmark: ours beside what users would pick instead, in one run on one machine. `python -m bench --help`."""
