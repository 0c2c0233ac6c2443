"""A PostgreSQL server of a test's own, which can be killed, and questions to it."""

import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "support" / "postgres_server"


class Server:
    """Runs in a folder of its own until stop(). Skips the test where PostgreSQL is not installed."""

    def __init__(self, *settings):
        # A socket's path must be short.
        self._folder = tempfile.mkdtemp(prefix="krigon-pg-", dir="/tmp")
        self.folder = self._folder + "/s"
        self._do("start", *settings)
        if not pathlib.Path(self.folder, "data").exists():
            self.stop()
            raise unittest.SkipTest("no PostgreSQL server is installed")
        self.url = f"postgresql://krigon@/postgres?host={self.folder}"

    def _do(self, action, *rest):
        # The folder must be the server's to enter, whoever made it.
        pathlib.Path(self._folder).chmod(0o755)
        subprocess.run([PROGRAM, action, self.folder, *rest], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def kill(self):
        self._do("kill")

    def restart(self):
        self._do("restart")

    def stop(self):
        self._do("stop")
        pathlib.Path(self._folder).rmdir()

    def rows(self, statement):
        """Of one SELECT, as lists of text."""
        out = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-h", self.folder, "-U", "krigon", "-d", "postgres",
                              "-c", "SET search_path = krigon", "-c", statement],
                             capture_output=True, encoding="utf-8", check=True).stdout
        return [line.split("\t") for line in out.splitlines()]

    def numbers(self, statement):
        return [[int(value) for value in row] for row in self.rows(statement)]
