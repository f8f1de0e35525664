"""The networks: layers, U-Net, Transformer, CLIP, the prior, and what turns captions into tokens."""
