"""What a command prints, its progress bar and Ctrl-C."""
