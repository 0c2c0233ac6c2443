"""Completion scripts, in the shells that are here."""

import os
import shutil
import subprocess
import unittest

from support import StudyTest


class Completion(StudyTest):
    def bash(self, *words):
        """What bash offers after these words."""
        self.write("krigon.bash", self.out("completion", "bash"))
        script = ('source ./krigon.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _krigon; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], cwd=self.folder, capture_output=True,
                              encoding="utf-8", check=True)
        return done.stdout.split()

    def test_bash(self):
        self.assertEqual(self.bash("krigon", "re"), ["reproduce", "report"])
        self.assertEqual(self.bash("krigon", "best", "--f"), ["--format"])
        self.assertEqual(self.bash("krigon", "best", "--format", ""), ["args", "env", "json", "yaml"])
        self.assertEqual(self.bash("krigon", "completion", ""), ["bash", "zsh", "fish"])
        self.assertIn("--storage", self.bash("krigon", "run", "study.yaml", "--"))
        self.assertEqual(self.bash("krigon", "run", ""), [], "file names are bash's own")

    def test_zsh_reads_it(self):
        if shutil.which("zsh") is None:
            self.skipTest("no zsh here")
        self.write("_krigon", self.out("completion", "zsh"))
        subprocess.run(["zsh", "-f", "-n", "_krigon"], cwd=self.folder, check=True)

    def test_fish_reads_it(self):
        if shutil.which("fish") is None:
            self.skipTest("no fish here")
        self.write("krigon.fish", self.out("completion", "fish"))
        environment = {**os.environ, "HOME": str(self.folder)}
        subprocess.run(["fish", "--no-execute", "krigon.fish"], cwd=self.folder, check=True, env=environment)
        offered = subprocess.run(["fish", "-c", "source krigon.fish; complete -C 'krigon best --format '"],
                                 cwd=self.folder, capture_output=True, encoding="utf-8", check=True, env=environment).stdout
        self.assertEqual([line.split("\t")[0] for line in offered.splitlines()], ["args", "env", "json", "yaml"])

    def test_another_shell_is_refused(self):
        self.krigon("completion", "csh", code=2)


if __name__ == "__main__":
    unittest.main()
