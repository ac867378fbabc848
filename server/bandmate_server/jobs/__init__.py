"""Requests as jobs on disk: queue, worker processes, mailbox."""
