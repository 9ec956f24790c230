"""Programs that stand in for others in tests, and products made for them."""
