"""Triggers only: decode, call the step, encode."""
