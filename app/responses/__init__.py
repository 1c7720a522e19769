"""The parts of an API answer: JSON, problems, links and cursors."""
