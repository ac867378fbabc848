"""A server that is started when it is needed, and found again."""
