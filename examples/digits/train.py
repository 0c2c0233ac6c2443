#!/usr/bin/env python3
"""Trains a small network on scikit-learn's handwritten digits and reports its accuracy every epoch.

Runs by itself with plain defaults (`python3 train.py`) and as a trial of study.yaml. Everything that
Krigon needs of it is in `report`: one line of JSON appended to a file.
"""
import argparse
import json
import os

# One thread: parallel trials share the cores, and these matrices are far too small for more.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from sklearn.datasets import load_digits


def report(values):
    """Appends one line to the report file; does nothing outside a study."""
    path = os.environ.get("KRIGON_REPORT_FILE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def load(noise=4.0, training=600, validation=600):
    """Digits of 8x8 pixels under noise, always the same: few to learn from, the rest to judge by."""
    digits = load_digits()
    generator = np.random.default_rng(2024)
    order = generator.permutation(len(digits.target))
    images = digits.data[order] + generator.normal(0.0, noise, digits.data.shape)
    images = (images - images[:training].mean(axis=0)) / images[:training].std(axis=0)
    labels = digits.target[order]
    cuts = [training, training + validation]
    return list(zip(np.split(images, cuts), np.split(labels, cuts)))


class Network:
    """Fully connected, ReLU, dropout after each hidden layer, softmax; trained by Adam."""

    def __init__(self, sizes, dropout, generator):
        self.dropout, self.generator = dropout, generator
        self.weights = [
            generator.normal(0.0, np.sqrt(2.0 / rows), (rows, columns)) for rows, columns in zip(sizes, sizes[1:])
        ]
        self.biases = [np.zeros(columns) for columns in sizes[1:]]
        self.moments = [[np.zeros_like(p), np.zeros_like(p)] for p in self.weights + self.biases]
        self.steps = 0

    def forward(self, x, training):
        inputs, masks = [x], []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
            x = np.maximum(x @ weight + bias, 0.0)
            if training:
                mask = (self.generator.random(x.shape) >= self.dropout) / (1.0 - self.dropout)
                x = x * mask
                masks.append(mask)
            inputs.append(x)
        return x @ self.weights[-1] + self.biases[-1], inputs, masks

    def train(self, x, labels, rate):
        logits, inputs, masks = self.forward(x, training=True)
        delta = np.exp(logits - logits.max(axis=1, keepdims=True))
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(labels)), labels] -= 1.0
        delta /= len(labels)
        weight_gradients, bias_gradients = [], []
        for layer in reversed(range(len(self.weights))):
            weight_gradients.insert(0, inputs[layer].T @ delta)
            bias_gradients.insert(0, delta.sum(axis=0))
            if layer > 0:
                delta = (delta @ self.weights[layer].T) * (inputs[layer] > 0.0) * masks[layer - 1]
        self.adam(weight_gradients + bias_gradients, rate)

    def adam(self, gradients, rate):
        self.steps += 1
        scale = rate * np.sqrt(1.0 - 0.999**self.steps) / (1.0 - 0.9**self.steps)
        for parameter, gradient, moments in zip(self.weights + self.biases, gradients, self.moments):
            moments[0] += 0.1 * (gradient - moments[0])
            moments[1] += 0.001 * (gradient**2 - moments[1])
            parameter -= scale * moments[0] / (np.sqrt(moments[1]) + 1e-8)

    def accuracy(self, x, labels):
        return float(np.mean(self.forward(x, training=False)[0].argmax(axis=1) == labels))


def train(judged_by, *, lr, batch, dropout, layers, epochs, seed, after_epoch=lambda epoch, accuracy: None):
    """Accuracy on "validation" or "held-out" images after the last epoch."""
    (x, labels), validation, held_out = load()
    judges = {"validation": validation, "held-out": held_out}[judged_by]
    generator = np.random.default_rng(seed)
    network = Network([x.shape[1]] + [64] * layers + [10], dropout, generator)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        order = generator.permutation(len(labels))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            network.train(x[chosen], labels[chosen], lr)
        accuracy = network.accuracy(*judges)
        after_epoch(epoch, accuracy)
    return accuracy


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # The second names are the study's, so that `python3 train.py $(krigon best --format args)` works.
    parser.add_argument("--lr", "--learning_rate", type=float, default=1e-3, help="Adam's step (default: 1e-3)")
    parser.add_argument("--batch", "--batch_size", type=int, default=64, help="examples in a step (default: 64)")
    parser.add_argument("--dropout", "--dropout_rate", type=float, default=0.2, help="share of units dropped (default: 0.2)")
    parser.add_argument("--layers", type=int, default=2, help="hidden layers of 64 units (default: 2)")
    parser.add_argument("--epochs", type=int, default=int(os.environ.get("KRIGON_MAX_STEPS") or 27))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("KRIGON_SEED") or 0))
    return parser


def main():
    options = arguments().parse_args()
    accuracy = train(
        "validation",
        **vars(options),
        after_epoch=lambda epoch, value: report({"step": epoch, "accuracy": value}),
    )
    report({"accuracy": accuracy})
    print(f"accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
