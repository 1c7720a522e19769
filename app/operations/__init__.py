"""The operations of the API and the monitor on one process or many: complete, cancel, retry, send a message."""
