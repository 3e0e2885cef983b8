#!/usr/bin/env python3
"""Makes the pictures of docs/gallery.md: real runs, their pages, and pictures of these by a headless browser.

    scripts/gallery.py [--program build/release/emend] [--browser chromium] [--out docs/pictures/gallery] [--only NAME ...]

Runs are on the small models of tests/data/world. The pages stay in build/gallery. Pictures are PNG with 192 colours, below 200 kB each; that needs Pillow.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[1]
WORLD = Path("tests/data/world")
MOST_BYTES = 200_000


@dataclass
class Picture:
    """A page, the commands that make it, and how much of it is shown."""

    name: str
    commands: List[str]  # of emend; {work} is a folder of its own, {kept} one that stays from run to run
    page: str
    width: int = 820
    height: int = 1100


PICTURES = [
    Picture(
        "edit",
        [
            f"convert facts --from emend {WORLD}/edits.jsonl {{work}}/edits.yaml --limit 4",
            f"edit {{work}}/edits.yaml --model {WORLD}/gpt2 --layer 2 --statistics {{kept}}/world --report {{work}}/edit.html",
        ],
        "edit.html",
        height=2000,
    ),
    Picture(
        "locate",
        [
            f"locate --model {WORLD}/gpt2 --prompt 'Workis Tellond was trained as a' --subject 'Workis Tellond' "
            "--report {work}/locate.html"
        ],
        "locate.html",
        height=1800,
    ),
    Picture(
        "eval",
        [
            f"eval --dataset emend --data {WORLD}/edits.jsonl --model {WORLD}/gpt2 --method rome --method in-context --records 0:12 "
            "--layer 2 --generations 0 --statistics {kept}/world --out {work}/eval"
        ],
        "eval/report.html",
    ),
    Picture(
        "statistics",
        [
            f"stats --model {WORLD}/llama --corpus {WORLD}/text.txt --tokens 4000 --out {{work}}/llama",
            "stats show {work}/llama --report {work}/statistics.html",
        ],
        "statistics.html",
    ),
    Picture(
        "values",
        [
            f"memories scan --model {WORLD}/gpt2 --corpus {WORLD}/text.txt --out {{work}}/index",
            f"memories values --model {WORLD}/gpt2 --index {{work}}/index --report {{work}}/values.html",
        ],
        "values.html",
    ),
]


def run(program: Path, command: str, work: Path) -> None:
    places = {"{work}": str(work), "{kept}": str(work.parent / "kept")}
    for place, folder in places.items():
        command = command.replace(place, folder)
    words = [str(program), *shlex.split(command)]
    print("$ emend " + shlex.join(words[1:]))
    done = subprocess.run(words, cwd=ROOT, check=False)
    if done.returncode not in (0, 4):  # 4: a check failed, and the page says so
        raise SystemExit(f"the run ended with {done.returncode}")


def photograph(browser: str, page: Path, picture: Picture, out: Path) -> None:
    size = f"{picture.width},{picture.height}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
    subprocess.run([browser, *options, f"--screenshot={out}", page.as_uri()], check=True, capture_output=True, timeout=300)


def shrink(file: Path) -> None:
    from PIL import Image

    Image.open(file).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(file, optimize=True)
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes, more than {MOST_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "emend")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "gallery")
    parser.add_argument("--only", nargs="+", default=[picture.name for picture in PICTURES])
    asked = parser.parse_args()
    browser = shutil.which(asked.browser)
    if browser is None:
        raise SystemExit(f"there is no browser {asked.browser}: on Debian it is the package chromium")
    asked.out.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        if picture.name not in asked.only:
            continue
        work = ROOT / "build" / "gallery" / picture.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for command in picture.commands:
            run(asked.program, command, work)
        file = asked.out / f"{picture.name}.png"
        photograph(browser, work / picture.page, picture, file)
        shrink(file)
        print(f"{file}: {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
