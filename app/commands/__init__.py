"""The commands of `flask process`."""
