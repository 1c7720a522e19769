"""A process whose first step is another client's."""
