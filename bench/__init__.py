"""The benchmark: this project and other clients of the engine, in one run on one machine. Run `python -m bench`."""
