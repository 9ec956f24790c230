"""The API, called as a client calls it, with fakes behind it."""
