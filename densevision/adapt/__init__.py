"""Narrow a trained network until it meets a latency on a device (NetAdapt, section 4.2 of the paper)."""
