"""Commands of `flask process` that call the API: `start`, `status`, `watch`, `cancel`, `retry`, `list` and others."""
