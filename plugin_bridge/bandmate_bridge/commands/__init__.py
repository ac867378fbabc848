"""One module per command; each has a `run(options, interrupt)`."""
