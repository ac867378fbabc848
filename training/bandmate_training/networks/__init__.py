"""The networks, their sizes and their weights."""
