"""Arrays and values only: reflectance, masks, forest, albedo, indices, statistics."""
