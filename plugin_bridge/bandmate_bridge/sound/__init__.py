"""Sound devices, in a process of their own."""
