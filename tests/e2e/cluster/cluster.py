"""What the modules share beside tests/e2e/cli/support.py: stores in PostgreSQL, and a program in krigon's place."""

import functools
import json
import os
import pathlib
import subprocess

from support import KRIGON, StudyTest

POSTGRES = pathlib.Path(os.environ.get("KRIGON_TEST_POSTGRES", "/nowhere"))

# Writes down how it was started and what it was sent, a JSON object a line; goes on until it is told to leave.
STAND_IN = """\
#!/usr/bin/python3
import json, os, signal, sys, time

record = open(os.environ["KRIGON_TEST_RECORD"] + "." + os.environ.get("SLURM_ARRAY_TASK_ID", "0"), "a")
def write(**what):
    record.write(json.dumps({"time": time.time(), **what}) + "\\n")
    record.flush()
def leave(number, frame):
    write(event="told", signal=number)
    sys.exit(130)  # as the worker itself
signal.signal(signal.SIGTERM, leave)
names = ("KRIGON_STORAGE", "CUDA_VISIBLE_DEVICES", "SLURM_RESTART_COUNT")
write(event="started", argv=sys.argv[1:], folder=os.getcwd(), pid=os.getpid(),
      environment={name: os.environ.get(name) for name in names})
print("here I am", flush=True)
while True:
    time.sleep(0.1)
"""


@functools.lru_cache
def has_worker():
    done = subprocess.run([KRIGON, "worker", "--help"], capture_output=True, encoding="utf-8", check=False)
    return "krigon worker" in done.stdout  # without the command it is the help on all others


def processes_showing(text):
    """The command lines that hold the text, of all processes."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


class ClusterTest(StudyTest):
    def stand_in(self):
        """Puts the program of that name into the folder; returns its path."""
        self.write("stand-in", STAND_IN)
        path = self.folder / "stand-in"
        path.chmod(0o755)
        return path

    def recorded(self, slot, event):
        """What the stand-in of a slot wrote of such events."""
        path = self.folder / f"record.{slot}"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def database(self):
        """A new database; its URL, with a password that the server does not ask for and no one may see."""
        name = f"cluster-{os.getpid()}-{self.id().rsplit('.', 1)[1]}"[:63]
        self.sql(f'CREATE DATABASE "{name}"')
        self.addCleanup(self.sql, f'DROP DATABASE "{name}" WITH (FORCE)')
        # Its own, since other tests run beside this one and name theirs on command lines.
        self.secret = f"s3cret{os.getpid()}"
        return f"postgresql://krigon:{self.secret}@/{name}?host={POSTGRES}"

    def sql(self, statement):
        subprocess.run(["psql", "-X", "-q", "-h", POSTGRES, "-U", "krigon", "-d", "postgres", "-c", statement],
                       capture_output=True, check=True)
