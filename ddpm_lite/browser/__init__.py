"""The engine that runs the course's networks in a web page: no kernel, no installation, nothing loaded from elsewhere.

`exported` writes a trained model as a script, `engine_script` is the engine that reads it, and `portable_noise` gives the noise
that a seed means in both. The browser half stands beside: heap.js and wasm.py (the inner loops), operators.js, net.js,
networks.js and encoders.js (the modules of `networks`), sampling.js (Algorithm 2), and what runs them in a worker. It may
import what `models` may. Slides L19, L21, L23 to L27.
"""

from .export import exported
from .noise import portable_noise
from .scripts import engine_script

__all__ = ["engine_script", "exported", "portable_noise"]
