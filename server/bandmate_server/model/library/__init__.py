"""Which models there are, which of them does a task, and what suits the machine."""
