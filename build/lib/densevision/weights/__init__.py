"""Published weights: read, renamed to our names, checked to the last tensor, and loaded into other networks."""
