"""What the steps are made of: values, ports, pipeline steps, science and adapters."""
