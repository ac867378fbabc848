"""What is measured: the model, and what it is compared with."""
