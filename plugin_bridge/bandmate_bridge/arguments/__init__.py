"""The command line's arguments; nothing here loads the engine."""
