"""The composition root: builds the stages from the settings, wakes, supervises and stops them."""
