"""Configuration files, read into each stage's own settings; no stage imports this."""
