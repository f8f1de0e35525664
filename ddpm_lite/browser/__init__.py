"""The engine that runs the course's networks in a web page: no kernel, no installation, nothing loaded from elsewhere.

`exported` writes a trained model as a script, `engine_script` is what runs it, and `portable_noise` is the noise that a seed
means in both. The browser half stands beside: heap.js with wasm.py (the inner loops), operators.js, net.js, networks.js and
encoders.js (the modules of the package's networks, one by one), sampling.js (Algorithm 2), unclip.js, pointnet.js and training.js
(Algorithm 1 on points), tokenizer.js and caption.js (what a reader writes), and worker.js, engine.js, studio.js, enlarger.js and
writer.js, which run the networks beside a page. The room imports `models`. Slide L21.
"""

from .export import exported
from .noise import portable_noise
from .scripts import engine_script

__all__ = ["engine_script", "exported", "portable_noise"]
