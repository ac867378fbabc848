"""What the networks on notes learn from, and how they are judged."""
