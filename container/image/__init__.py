"""What runs while the image is built, with the base image's bare Python: nothing but the standard library."""
