"""Does this implementation compute what the published one does? Checks against its numbers."""
