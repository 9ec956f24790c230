"""What things cost, measured on the machine at hand; never part of the tests."""
