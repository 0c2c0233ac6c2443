#!/usr/bin/env python3
"""Is the tuned network better, and by how much? Trains with the defaults of train.py and with tuned
settings, from several seeds each, and judges both by images that the study never saw.

    krigon best study.yaml --format json | python3 compare.py
"""
import argparse
import json
import statistics
import sys

from train import arguments, train

FLAGS = {"learning_rate": "lr", "batch_size": "batch", "dropout_rate": "dropout", "layers": "layers"}


def judge(settings, seeds):
    return [train("held-out", **{**settings, "seed": seed}) for seed in range(1, seeds + 1)]


def describe(title, settings, accuracies):
    shown = "  ".join(f"{name} {settings[flag]:.3g}" for name, flag in FLAGS.items())
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    print(f"  {title:<9} {statistics.mean(accuracies):.3f} +- {spread:.3f}   {shown}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--require", type=float, help="exit with 1 unless better by at least this")
    options = parser.parse_args()

    best = json.load(sys.stdin)
    default = vars(arguments().parse_args([]))
    tuned = {**default, **{FLAGS[name]: value for name, value in best.items()}}
    before, after = judge(default, options.seeds), judge(tuned, options.seeds)
    print(f"accuracy on images kept back, mean over {options.seeds} seeds:")
    describe("defaults", default, before)
    describe("tuned", tuned, after)
    gain = statistics.mean(after) - statistics.mean(before)
    fewer = gain / (1.0 - statistics.mean(before))
    if gain > 0:
        print(f"tuned is better by {gain:.3f}: {fewer:.0%} fewer mistakes")
    else:
        print(f"tuned is no better: {gain:+.3f}")
    if options.require is not None and gain < options.require:
        sys.exit(f"expected it to be better by at least {options.require}")


if __name__ == "__main__":
    main()
