"""A study in a PostgreSQL database: the same words, the same study as in a file."""

import os
import pathlib
import subprocess
import unittest

from support import StudyTest

SERVER = pathlib.Path(os.environ.get("KRIGON_TEST_POSTGRES", "/nowhere"))


@unittest.skipUnless((SERVER / ".s.PGSQL.5432").exists(), "no PostgreSQL server is installed")
class PostgreSql(StudyTest):
    def setUp(self):
        super().setUp()
        self.database = f"cli-{os.getpid()}-{self.id().rsplit('.', 1)[1]}"[:63]
        self.sql(f'CREATE DATABASE "{self.database}"')
        self.addCleanup(self.sql, f'DROP DATABASE "{self.database}" WITH (FORCE)')
        # The server asks for no password, and no one may see the one that stands here.
        self.url = f"postgresql://krigon:s3cret@/{self.database}?host={SERVER}"

    def sql(self, statement, database="postgres"):
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-h", SERVER, "-U", "krigon", "-d", database, "-c", statement],
                              capture_output=True, encoding="utf-8", check=True).stdout

    def test_a_study_is_the_one_that_a_file_would_hold(self):
        at = ("--storage", self.url)
        self.assertIn("there is no store at postgresql://krigon@/", self.krigon("status", "study.yaml", *at, code=3).stderr)
        self.krigon("run", "study.yaml", *at, "--parallel", "1", "--trials", "2")
        self.krigon("run", "study.yaml", *at, "--parallel", "1")
        self.krigon("run", "study.yaml", "--storage", "file.db", "--parallel", "1")

        def told(*storage):
            return [(t["trial"], t["state"], t["parameters"], t["metrics"])
                    for t in self.lines("trials", "study.yaml", *storage, "--json")]

        self.assertEqual(told(*at), told("--storage", "file.db"))
        self.assertEqual(self.json("status", "study.yaml", *at)["completed"], 6)
        best, other = (self.json("best", "study.yaml", *where) for where in (at, ("--storage", "file.db")))
        self.assertEqual([best[key] for key in ("trial", "parameters", "metrics")],
                         [other[key] for key in ("trial", "parameters", "metrics")])
        self.assertEqual(self.sql("SELECT count(*) FROM krigon.trial WHERE state = 'completed'", self.database).strip(), "6")
        for words in (("status",), ("show", 0), ("check",)):
            done = self.krigon(words[0], "study.yaml", *words[1:], *at)
            self.assertNotIn("s3cret", done.stdout + done.stderr)

    def test_ask_and_tell(self):
        at = ("--storage", self.url)
        asked = self.json("ask", "study.yaml", *at)
        self.krigon("tell", "study.yaml", asked["trial"], "loss=0.5", *at)
        self.assertEqual(self.json("best", "study.yaml", *at)["metrics"], {"loss": 0.5})
        self.krigon("delete", "study.yaml", "--yes", *at)
        self.krigon("status", "study.yaml", *at, code=3)


if __name__ == "__main__":
    unittest.main()
