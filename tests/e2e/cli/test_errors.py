"""Exit codes and messages."""

import os
import unittest

from support import StudyTest


class Errors(StudyTest):
    def test_wrong_arguments(self):
        for arguments in ([], ["frobnicate"], ["run", "--nope"], ["best", "--format", "xml"], ["tell", "study.yaml"],
                          ["ask", "study.yaml", "--count", "many"], ["show", "study.yaml", "first"]):
            with self.subTest(arguments):
                done = self.krigon(*arguments, code=2)
                self.assertEqual(done.stdout, "")
                self.assertNotEqual(done.stderr, "")
        self.assertFalse((self.folder / "krigon.db").exists())

    def test_a_wrong_study_file_names_file_and_line_and_creates_nothing(self):
        self.write("study.yaml", self.study.replace("seed: 7", "sead: 7"))
        for command in ("run", "check", "ask", "pipe", "status"):
            with self.subTest(command):
                done = self.krigon(command, "study.yaml", code=2)
                self.assertRegex(done.stderr, r"^study\.yaml:11: .*sead")
                self.assertIn("seed", done.stderr)
        self.assertFalse((self.folder / "krigon.db").exists())

    def test_a_file_that_is_not_there(self):
        done = self.krigon("run", "nowhere.yaml", code=2)
        self.assertIn("nowhere.yaml", done.stderr)

    def test_not_found(self):
        done = self.krigon("status", "study.yaml", code=3)
        self.assertIn("krigon run study.yaml", done.stderr)
        self.assertFalse((self.folder / "krigon.db").exists(), "looking creates nothing")
        self.krigon("ask", "study.yaml")
        self.krigon("show", "study.yaml", "17", code=3)
        self.krigon("status", "--storage", "krigon.db", "--study", "other", code=3)

    def test_conflicts(self):
        self.krigon("ask", "study.yaml")
        self.krigon("tell", "study.yaml", "0", "loss=1")
        done = self.krigon("tell", "study.yaml", "0", "loss=2", code=4)
        self.assertIn("already told loss = 1", done.stderr)
        self.write("study.yaml", self.study.replace("max: 1.5", "max: 2.5"))
        done = self.krigon("run", "study.yaml", code=4)
        self.assertIn("another search space", done.stderr)

    def test_a_store_that_is_none(self):
        self.write("krigon.db", "this is no database, whatever its name says\n" * 100)
        done = self.krigon("run", "study.yaml", code=5)
        self.assertIn("krigon.db", done.stderr)

    def test_a_folder_that_cannot_be_written(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        self.folder.chmod(0o500)
        try:
            self.krigon("run", "study.yaml", code=5)
        finally:
            self.folder.chmod(0o700)

    def test_output_that_cannot_be_written(self):
        import subprocess
        from support import KRIGON
        self.krigon("ask", "study.yaml")
        with open("/dev/full", "w") as full:
            done = subprocess.run([KRIGON, "status", "study.yaml"], cwd=self.folder, stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 5)

    def test_help_and_version(self):
        self.assertIn("Usage", self.out("--help"))
        self.assertIn("Example", self.out("run", "--help"))
        self.assertRegex(self.out("--version"), r"^krigon \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()
