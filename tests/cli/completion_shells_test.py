"""Completion in the shells themselves: zsh in a pseudo-terminal, fish by its own `complete -C`. A shell that is not installed is
named and left out. Run as: completion_shells_test.py PROGRAM; exit code 77 if there is neither."""

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def script_of(program, shell):
    return subprocess.run([program, "completion", shell], capture_output=True, text=True, check=True).stdout


# What is typed, and what must come of it.
CASES = [
    ("emend ed", ["edit"]),
    ("emend patch ver", ["verify"]),
    ("emend patch ", ["list", "verify", "apply", "revert", "drop", "merge", "diff"]),
    ("emend edit --prot", ["--protect"]),
    ("emend edit --protect ", ["none", "neighbours", "auto"]),
    ("emend export ", ["lora", "gguf-lora", "model"]),
]


class Zsh:
    """An interactive zsh without the user's settings."""

    def __init__(self, folder):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            environment = {"TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
            os.execve(shutil.which("zsh"), ["zsh", "-f", "-i"], environment)
        self.said = ""
        setup = f"PROMPT='@@ '; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -d {folder}/dump; "
        self.enter(setup + "setopt no_list_beep; LISTMAX=1000; COLUMNS=200; print -r -- rea''dy")
        self.wait_for("ready")
        self.wait_for("@@ ")

    def enter(self, text):
        os.write(self.terminal, (text + "\n").encode())

    def read(self, seconds):
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        self.said += os.read(self.terminal, 65536).decode(errors="replace").replace("\a", "")
        return True

    def wait_for(self, text):
        until = time.monotonic() + 60
        while text not in self.said:
            assert time.monotonic() < until, f"zsh did not say {text!r}: {self.said!r}"
            self.read(1)
        self.said = self.said.split(text, 1)[1]

    def complete(self, typed, wanted):
        """What the shell shows after Tab, until all that is wanted is there."""
        self.said = ""
        os.write(self.terminal, (typed + "\t").encode())
        until = time.monotonic() + 30
        while not all(word in self.said for word in wanted) and time.monotonic() < until:
            self.read(0.5)
        shown = self.said
        os.write(self.terminal, b"\x15\n")  # the line is given up
        self.wait_for("@@ ")
        return shown

    def close(self):
        self.enter("exit")
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def check_zsh(program, folder):
    (folder / "_emend").write_text(script_of(program, "zsh"), encoding="utf-8")
    shell = Zsh(folder)
    for typed, wanted in CASES:
        shown = shell.complete(typed, wanted)
        for word in wanted:
            assert word in shown, f"zsh: {typed!r} gave {shown!r}, without {word}"
    shell.close()


def check_fish(program, folder):
    file = folder / "emend.fish"
    file.write_text(script_of(program, "fish"), encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    for typed, wanted in CASES:
        command = ["fish", "-c", f"source {file}; complete -C '{typed}'"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder)
        offered = {line.split("\t")[0] for line in done.stdout.splitlines()}
        assert set(wanted) <= offered, f"fish: {typed!r} gave {sorted(offered)}, {done.stderr}"


def main():
    program = sys.argv[1]
    checks = {"zsh": check_zsh, "fish": check_fish}
    there = [shell for shell in checks if shutil.which(shell)]
    for shell in there:
        with tempfile.TemporaryDirectory() as folder:
            checks[shell](program, Path(folder))
        print(f"{shell}: passed")
    for shell in checks.keys() - set(there):
        print(f"{shell}: not installed, left out")
    sys.exit(0 if there else 77)


if __name__ == "__main__":
    main()
