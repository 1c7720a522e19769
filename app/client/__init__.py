"""The API from a shell: `flask process start`, `status`, `watch`, `cancel`, `retry`, `list`."""
