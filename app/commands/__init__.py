"""Commands of `flask process` that do not call the API, and the registration of all commands."""
