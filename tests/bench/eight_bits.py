"""What weights of 8 bits cost: the scores on the card of a shipped model, again with the weights that a web page has.

The model with rounded weights runs in torch; tests/browser/test_engine_draws.py shows that the engine draws the same.
"""

import argparse

import torch

from ddpm_lite.browser.export import rounded
from ddpm_lite.models import evaluation
from ddpm_lite.models.trained import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["glide-emoji"], help="of shipped models that a page draws with")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in args.names:
        model = load(name, "cpu")
        print(f"| {name} | as shipped | 8 bits |\n|---|---|---|")
        for score, value in evaluation.score(rounded(model)).items():
            print(f"| {score} | {model.card['scores'][score]:.4f} | {value:.4f} |")


if __name__ == "__main__":
    main()
