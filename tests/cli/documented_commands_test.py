"""Every command line in the documents: the command is there, and has the options that the line gives.

Run as documented_commands_test.py PROGRAM. Lines of code blocks, and code within a sentence, that begin with `emend`, with or without `$ ` or a
folder in front, are read as a shell does; what stands behind a pipe, a semicolon or && is not looked at. A word of capitals, dots and brackets are
places to fill in.
"""

import re
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = sys.argv[1]


@lru_cache(maxsize=None)
def help_of(command):
    done = subprocess.run([PROGRAM, *command, "--help"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@lru_cache(maxsize=None)
def commands_of(group):
    """The names under "Commands:", and those that the usage of a command with commands of its own tells: emend eval, emend stats."""
    text = help_of(group)
    block = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.MULTILINE)
    if block:
        return set(re.findall(r"^  (\S+)", block.group(1), re.MULTILINE))
    usage = text.split("\n\n", maxsplit=1)[0]
    told = re.findall(rf"emend {' '.join(group)} ([a-z|]+)(?= |$)", usage, re.MULTILINE)
    return {name for names in told for name in names.split("|")} if len(group) == 1 else set()


@lru_cache(maxsize=None)
def options_of(command):
    return set(re.findall(r"--[a-z][a-z0-9-]*", help_of(command)))


def lines_of(text):
    """(number, line) of each command line in code blocks, with the lines that a backslash continues."""
    inside, begun, held = False, 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*```", line):
            inside, held = not inside, ""
        elif inside:
            held = held + line if held else line
            begun = begun or number
            if held.endswith("\\"):
                held = held[:-1]
                continue
            found = re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:mpirun .*? )?(?:[\w./]*/)?emend (.*)", held)
            if found:
                yield begun, found.group(1)
            held, begun = "", 0


def spans_of(text):
    """(number, line) of each command within a sentence, which may be broken over lines."""
    prose = re.sub(r"^\s*```.*?^\s*```", lambda block: "\n" * block.group(0).count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    for found in re.finditer(r"`(?:[\w./]*/)?emend ([a-z][^`]*)`", prose):
        yield prose.count("\n", 0, found.start()) + 1, " ".join(found.group(1).split())


def words_of(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = []
    for word in lexer:
        if set(word) <= set("|;&"):
            break
        words.append(word)
    return words


def faults_of(line):
    try:
        words = words_of(line)
    except ValueError:
        return []  # a quote that a picture of a terminal cuts off
    command = ()
    while words and commands_of(command) and not words[0].startswith("-"):
        name = words[0]
        if name == "help":
            return []
        if not re.fullmatch(r"[a-z-]+", name):
            return []  # COMMAND, ..., several|names
        if name not in commands_of(command) and "Commands:" not in help_of(command):
            break  # an argument
        if name not in commands_of(command):
            return [f"there is no command {' '.join((*command, name))}"]
        command = (*command, words.pop(0))
    given = {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?", word)}
    return [f"emend {' '.join(command)} has no option {option}" for option in sorted(given - options_of(command) - {"--help", "--version"})]


def main():
    looked_at, faults = 0, []
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "findings").rglob("*.md")]):
        text = path.read_text(encoding="utf-8")
        for number, line in [*lines_of(text), *spans_of(text)]:
            looked_at += 1
            faults += [f"{path.relative_to(ROOT)}:{number}: {fault}" for fault in faults_of(line)]
    print(f"{looked_at} command lines")
    assert looked_at > 100, looked_at
    assert not faults, "\n" + "\n".join(faults)
    # The test itself sees what is wrong.
    assert faults_of("edit x.yaml --dry-rum") and faults_of("memories explian") and not faults_of("edit x.yaml --dry-run | head")
    assert faults_of("stats --corpus x --no-such-option") and not faults_of("memories scan|values")


main()
