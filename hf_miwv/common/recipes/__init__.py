"""Read YAML recipes: types of values, overrides, packages that hold models."""
