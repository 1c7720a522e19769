"""The parts of the documentation's build that MkDocs does not have."""
