"""What this system tells Prometheus: the metrics, where processes keep their counts, and the port that shows them."""
