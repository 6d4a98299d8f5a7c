"""Rules that decide where mail goes and who may hand it in. Pure."""
