"""The operations of the API and the monitor on processes: complete, cancel, retry, send a message, run again."""
