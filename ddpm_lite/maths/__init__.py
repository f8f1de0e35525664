"""The maths: schedules, Gaussians, exact models and distances; tensors in, tensors out."""
