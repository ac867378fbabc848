"""New stems that fit given ones: add, fill, vary, generate."""
