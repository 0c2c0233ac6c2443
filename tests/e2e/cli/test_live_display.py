"""The live display under a pseudo-terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unittest

from support import KRIGON, StudyTest


class LiveDisplay(StudyTest):
    def run_on_terminal(self, *arguments, columns=100, **environment):
        """What the program writes to a terminal of that width, and its exit code."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen([KRIGON, *arguments], cwd=self.folder, stdin=child, stdout=child, stderr=child,
                                   env=self.environment(**environment))
        os.close(child)
        output = b""
        end = time.monotonic() + 200
        while time.monotonic() < end:
            ready, _, _ = select.select([parent], [], [], 1)
            if not ready:
                continue
            try:
                data = os.read(parent, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
        os.close(parent)
        code = process.wait(timeout=60)
        return output.decode("utf-8").replace("\r\n", "\n"), code

    def test_draws_in_place(self):
        text, code = self.run_on_terminal("run", "study.yaml", KRIGON_TEST_SLOW="0.2")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"\x1b\[\d+A\x1b\[J", "goes up and clears")
        self.assertIn("━", text)
        self.assertIn("/6 trials", text)
        self.assertIn("running", text)
        self.assertRegex(re.sub(r"\x1b\[\d*m", "", text), r"trial 0 +step \d · loss 0\.")
        self.assertIn("trials/min", text)
        self.assertRegex(text, r"\x1b\[32m")
        end = text[text.rindex("\x1b[J"):]
        self.assertNotIn("trials/min", end, "the display is gone at the end")
        self.assertIn("krigon reproduce study.yaml", end)

    def test_no_color(self):
        text, code = self.run_on_terminal("run", "study.yaml", NO_COLOR="1")
        self.assertEqual(code, 0, text)
        self.assertIsNone(re.search(r"\x1b\[\d*m", text), "no colour")
        self.assertIn("\x1b[J", text, "but drawn in place")

    def test_a_dumb_terminal_gets_lines(self):
        text, code = self.run_on_terminal("run", "study.yaml", TERM="dumb")
        self.assertEqual(code, 0, text)
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"\d\d:\d\d:\d\d trial 0 started: x=")

    def test_keeps_to_the_width(self):
        text, code = self.run_on_terminal("run", "study.yaml", columns=44)
        self.assertEqual(code, 0, text)
        for line in re.sub(r"\x1b\[\d*[A-Za-z]", "", text[:text.rindex("\x1b[J")]).split("\n"):
            if not re.match(r"^\d\d:\d\d:\d\d ", line.lstrip("\r")):
                self.assertLessEqual(len(line.strip("\r")), 44, line)

    def test_tables_have_colours_on_a_terminal(self):
        self.krigon("run", "study.yaml", "--trials", "1")
        text, _ = self.run_on_terminal("trials", "study.yaml")
        self.assertIn("\x1b[32mcompleted\x1b[0m", text)
        text, _ = self.run_on_terminal("trials", "study.yaml", NO_COLOR="1")
        self.assertNotIn("\x1b", text)

    def test_delete_asks(self):
        self.krigon("ask", "study.yaml")
        parent, child = pty.openpty()
        process = subprocess.Popen([KRIGON, "delete", "study.yaml"], cwd=self.folder, stdin=child,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        os.close(child)
        os.write(parent, b"n\n")
        _, err = process.communicate(timeout=60)
        os.close(parent)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"[y/N]", err)
        self.assertEqual(self.json("status", "study.yaml")["trials"], 1)


if __name__ == "__main__":
    unittest.main()
