"""The paper's tables as data, and our counts beside them."""
