"""Algorithm 2: samplers, guidance, editing."""
