"""The paper's tables as data, and our counts next to them."""
