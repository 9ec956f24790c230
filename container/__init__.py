"""The step that needs a container: one message, one product."""
