"""tools/other_programs.py: what a script says of packages that are missing or of another version.

Run as other_programs_test.py."""

import contextlib
import importlib.metadata
import io
import os
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import other_programs  # noqa: E402


class OtherPrograms(unittest.TestCase):
    def said(self, work):
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            work()
        return text.getvalue()

    def test_another_version_is_told(self):
        with mock.patch.object(importlib.metadata, "version", return_value="0.5.0"):
            self.assertEqual(self.said(lambda: other_programs.warn_of_another_version("lm_eval", "0.4.13")),
                             "lm_eval 0.5.0 is installed; this was checked with 0.4.13, and figures or imports may differ\n")

    def test_of_the_same_version_nothing_is_said(self):
        with mock.patch.object(importlib.metadata, "version", return_value="0.4.13"):
            self.assertEqual(self.said(lambda: other_programs.warn_of_another_version("lm_eval", "0.4.13")), "")

    def test_what_is_missing_is_named_and_the_script_ends(self):
        def work():
            with self.assertRaises(SystemExit) as end:
                other_programs.require("json", "no_such_package", "nor_this_one")
            self.assertEqual(end.exception.code, 77)

        said = self.said(work)
        self.assertIn("skipped: this needs no_such_package, nor_this_one, which ", said)
        self.assertNotIn("json", said)

    def test_what_is_there_is_passed_over(self):
        self.assertEqual(self.said(lambda: other_programs.require("json", "unittest")), "")

    def test_caches_lie_in_a_folder_that_goes_with_the_script(self):
        script = "import os, other_programs; other_programs.stay_offline(); print(os.environ['HF_HOME'], os.environ['HF_HUB_OFFLINE'])\n" \
                 "open(os.environ['HF_HOME'] + '/a', 'w').close()"
        run = subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": sys.path[0], "HF_HOME": "/nowhere"},
                             capture_output=True, text=True, check=True)
        folder, offline = run.stdout.split()
        self.assertEqual(offline, "1")
        self.assertNotEqual(folder, "/nowhere")
        self.assertFalse(os.path.exists(folder))


if __name__ == "__main__":
    unittest.main()
