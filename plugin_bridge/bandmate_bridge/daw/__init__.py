"""Scripts installed into DAWs."""
