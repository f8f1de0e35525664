"""Where it runs and what it writes: device, precision, processes, files."""
