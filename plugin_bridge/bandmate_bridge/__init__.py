"""The `bandmate` command and what stands between the engine and a DAW."""
