"""Prints the line coverage of kernels/cuda from the counters that scripts/coverage left.

Usage: python3 coverage.py SOURCE_FOLDER COUNTS_FOLDER
"""

import collections
import json
import pathlib
import shutil
import subprocess
import sys

LEAST = 95.0  # per cent of all lines with code
MOST_GPU_ONLY = 10.0  # per cent of the folder's lines
GPU_ONLY = "// GPU-only"  # the first line of such a file begins so


def counts_by_line(source, counts):
    """{file: {line: how often}} over all translation units; a line of several functions counts as their sum."""
    lines = collections.defaultdict(collections.Counter)
    for data in counts.rglob("*.gcda"):
        # The notes lie where the compiler left them, the counters in the same place below `counts`.
        notes = pathlib.Path("/") / data.relative_to(counts).with_suffix(".gcno")
        shutil.copy(notes, data.with_suffix(".gcno"))
        report = subprocess.run(["gcov", "--json-format", "--stdout", data.name], cwd=data.parent, check=True,
                                stdout=subprocess.PIPE).stdout
        report = json.loads(report)
        for file in report["files"]:
            path = (pathlib.Path(report["current_working_directory"]) / file["file"]).resolve()
            if source / "kernels/cuda" not in path.parents:
                continue
            for line in file["lines"]:
                lines[path.name][line["line_number"]] += line["count"]
    return lines


def in_words(numbers):
    """7, 9-12"""
    runs = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def main():
    source, counts = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    lines = counts_by_line(source, counts)
    if not lines:
        sys.exit("no counters were found")
    print(f"{'file':<24}{'lines':>7}{'executed':>10}{'share':>9}  not executed")
    all_lines = all_executed = 0
    for name in sorted(lines):
        missing = [line for line, count in lines[name].items() if count == 0]
        total = len(lines[name])
        executed = total - len(missing)
        all_lines += total
        all_executed += executed
        print(f"{name:<24}{total:>7}{executed:>10}{100 * executed / total:>8.1f}%  {in_words(missing)}")
    share = 100 * all_executed / all_lines
    print(f"{'all':<24}{all_lines:>7}{all_executed:>10}{share:>8.1f}%  (at least {LEAST:g} %)")

    folder = {}
    for path in sorted((source / "kernels/cuda").iterdir()):
        if path.suffix in (".cpp", ".hpp", ".cu", ".cuh"):
            folder[path.name] = path.read_text().splitlines()
    gpu_only = {name: len(text) for name, text in folder.items() if text and text[0].startswith(GPU_ONLY)}
    whole = sum(len(text) for text in folder.values())
    gpu_share = 100 * sum(gpu_only.values()) / whole
    named = ", ".join(f"{name} ({count} lines)" for name, count in gpu_only.items()) or "none"
    print(f"only on a GPU: {named}: {gpu_share:.1f} % of {whole} lines (at most {MOST_GPU_ONLY:g} %)")

    uncounted = [name for name, text in folder.items()
                 if name.endswith((".cpp", ".cu")) and name not in lines and name not in gpu_only]
    if uncounted:
        sys.exit(f"no counters for: {', '.join(uncounted)}")
    if share < LEAST or gpu_share > MOST_GPU_ONLY:
        sys.exit("the coverage is below the bar")


main()
