"""The models by name: a recipe, its weights, its score."""
