"""What a test saw, in words and figures: to its output, and to the file that KRIGON_FIGURES names, where others keep it."""

import os


def say(text):
    # Line by line: the output of several programs goes the same way.
    print(text, flush=True)
    if name := os.environ.get("KRIGON_FIGURES"):
        with open(name, "a", encoding="utf-8") as kept:
            kept.write(text.strip("\n") + "\n")
