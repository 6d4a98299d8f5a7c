"""Arguments in, exit status out; no logic."""
