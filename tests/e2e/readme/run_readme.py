#!/usr/bin/env python3
"""Executes what README.md says. Fenced blocks are taken in order, all in one working folder:

  ```yaml NAME      written to the file NAME (also cpp, cmake, python, sh, json: any block with a name)
  ```console        every line that starts with "$ " is run by bash; the lines below it are the output
                    that the reader is promised
  ```text           shown, not run

In what a command prints, numbers, and runs of blanks may differ from what README.md shows, words may
not; a line of "..." stands for any lines. Commands of the repository (scripts/...) run in the source
tree, everything else in the working folder. A block of another kind is an error: nothing in README.md
stands there unchecked.

    run_readme.py README.md SOURCE_FOLDER [--show]
"""
import os
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```(.*)$")
FILES = {"yaml", "cpp", "cmake", "python", "sh", "json"}
# Not run here, because this test is a part of what they run.
RUN_ELSEWHERE = {"scripts/test", "scripts/setup"}
# What needs a cluster: run, and what follows in its block, where the environment names one.
SLURM = re.compile(r"squeue|--engine slurm(?!.*--dry-run)", re.DOTALL)
# Trials that a block may take: the words have to hold, not the search.
ENVIRONMENT = {"KRIGON_QUICKSTART_TRIALS": "4", "NO_COLOR": "1", "TERM": "dumb"}


def blocks(text):
    """Yields (line number, info string, lines) of every fenced block."""
    info, lines, start = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if not fence:
            if info is not None:
                lines.append(line)
        elif info is None:
            info, lines, start = fence.group(1).strip(), [], number
        else:
            yield start, info, lines
            info = None
    if info is not None:
        sys.exit(f"README.md:{start}: the block is never closed")


def commands(lines):
    """Splits a console block into (command, promised output)."""
    result = []
    for line in lines:
        if line.startswith("$ "):
            result.append((line[2:], []))
        elif result and result[-1][0].endswith("\\") and not result[-1][1]:
            result[-1] = (result[-1][0] + "\n" + line, [])
        elif result:
            result[-1][1].append(line)
        else:
            raise ValueError(f"output without a command: {line!r}")
    return result


def normalised(line):
    line = re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", line.rstrip())
    return re.sub(r"\s+", " ", line).strip()


def matches(promised, printed):
    """Whether the printed lines are the promised ones, "..." standing for any number of lines."""
    if not promised:
        return not printed
    if promised[0].strip() == "...":
        return any(matches(promised[1:], printed[i:]) for i in range(len(printed) + 1))
    return (
        bool(printed) and normalised(promised[0]) == normalised(printed[0]) and matches(promised[1:], printed[1:])
    )


def run(command, promised, folder, source, where):
    first = command.split()[0]
    if first in RUN_ELSEWHERE:
        print(f"{where}: {command}: run by the tests' own scripts")
        return True
    print(f"{where}: $ {command}", flush=True)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=source if first.startswith("scripts/") else folder,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    printed = done.stdout.splitlines()
    if "--show" in sys.argv:
        print(done.stdout)
    if done.returncode != 0:
        print(done.stdout, f"FAILED: {where}: exit code {done.returncode}", sep="\n")
        return False
    if promised and not matches(promised, printed):
        print("promised:", *promised, "printed:", *printed, f"FAILED: {where}: other words", sep="\n")
        return False
    return True


def main():
    path, source = sys.argv[1], os.path.abspath(sys.argv[2])
    with open(path, encoding="utf-8") as file:
        text = file.read()
    good, executed = True, 0
    with tempfile.TemporaryDirectory(prefix="krigon-readme.") as folder:
        for number, info, lines in blocks(text):
            where = f"README.md:{number}"
            kind, _, name = info.partition(" ")
            if kind in FILES and name:
                target = os.path.join(folder, name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "w", encoding="utf-8") as file:
                    file.write("\n".join(lines) + "\n")
            elif kind == "console":
                for command, promised in commands(lines):
                    if SLURM.search(command) and "SLURM_CONF" not in os.environ:
                        print(f"{where}: {command}: not run: no Slurm cluster")
                        break
                    good = run(command, promised, folder, source, where) and good
                    executed += 1
            elif kind != "text":
                print(f"FAILED: {where}: a block of kind {info!r}, which nothing checks")
                good = False
    print(f"{executed} commands executed")
    return 0 if good and executed else 1


if __name__ == "__main__":
    sys.exit(main())
