"""Formats of labeling tools, read where the files lie."""
