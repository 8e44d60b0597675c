"""Look at data before training: what is wrong with it, and what training sees of it."""
