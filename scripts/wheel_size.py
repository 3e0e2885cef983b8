"""Prints how much `pip install REQUIREMENT` will download, before it does: wheel_size.py torch==2.13.0

Asks the indexes that pip is configured with, through pip's own finder, for the wheels of the requirement and of all it
requires; only their metadata and lengths are fetched. Run it with the Python of the environment to install into. pip's
inner modules are no stable interface: on any error it exits 1, and the caller says a rough figure instead.
"""

import os
import re
import sys
import zipfile
from email.parser import Parser

from pip._internal.commands import create_command
from pip._vendor.packaging.requirements import Requirement


def wheel_bytes(link, session):
    if link.is_file:
        return os.path.getsize(link.file_path)
    answer = session.head(link.url_without_fragment, allow_redirects=True, headers={"Accept-Encoding": "identity"})
    answer.raise_for_status()
    return int(answer.headers["Content-Length"])


def requirements_of(link, session):
    """The Requires-Dist lines of a wheel, or None when they cannot be had without downloading all of it."""
    if link.is_file:
        with zipfile.ZipFile(link.file_path) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            text = wheel.read(name).decode()
    else:
        answer = session.get(link.url_without_fragment + ".metadata")  # PEP 658
        if not answer.ok:
            return None
        text = answer.content.decode()
    return Parser().parsestr(text, headersonly=True).get_all("Requires-Dist") or []


def applies(requirement, extras):
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras or [""])


def download_sizes(first):
    """Maps each package that has to come to its bytes; the second value says whether some were not looked into."""
    command = create_command("download")
    options, _ = command.parse_args([first])
    sizes, blind, seen = {}, False, set()
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        queue = [Requirement(first)]
        while queue:
            wanted = queue.pop()
            name = re.sub(r"[-_.]+", "-", wanted.name).lower()
            new_extras = sorted(set(wanted.extras) - {extra for n, extra in seen if n == name})
            if name in sizes and not new_extras:
                continue
            seen.update((name, extra) for extra in new_extras)
            best = finder.find_best_candidate(name, wanted.specifier).best_candidate
            if best is None or not best.link.is_wheel:
                blind = True
                continue
            sizes[name] = wheel_bytes(best.link, session)
            lines = requirements_of(best.link, session)
            blind = blind or lines is None
            queue += [r for r in map(Requirement, lines or []) if applies(r, new_extras)]
    return sizes, blind


def in_words(count):
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def main():
    sizes, blind = download_sizes(sys.argv[1])
    first = re.split(r"[^A-Za-z0-9]", sys.argv[1])[0].lower()
    cuda = any(name.startswith(("nvidia-", "cuda-")) for name in sizes)
    total = sum(sizes.values())
    unpacked = (2 if cuda else 4) * total  # GPU code is packed less tightly than headers and host code
    print(f"   {sys.argv[1]}: {in_words(sizes[first])}, with all it requires {len(sizes)} wheels of "
          f"{'at least ' if blind else ''}{in_words(total)}{', the CUDA libraries among them' if cuda else ''}; "
          f"about {in_words(unpacked)} on the disk")


if __name__ == "__main__":
    main()
