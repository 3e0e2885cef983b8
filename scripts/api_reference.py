#!/usr/bin/env python3
"""Writes the reference of all public names, from the comments of include/emend and the docstrings of the Python package.

    scripts/api_reference.py [--out build/api.html]

One page that needs no network: the C++ headers, then the C ones, then Python. Nothing is imported or compiled. It fails, naming
the place, if a header has no description, or a public name of the Python package has no docstring.
"""

from __future__ import annotations

import argparse
import ast
import html
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

ROOT = Path(__file__).resolve().parents[1]
HEADERS = ROOT / "include" / "emend"
PACKAGE = ROOT / "src" / "bindings" / "python" / "emend"


@dataclass
class Entry:
    """A name, what it is declared as, and what is said of it."""

    name: str
    code: str
    text: str
    members: List["Entry"] = field(default_factory=list)


@dataclass
class Section:
    """A header or a Python module."""

    title: str
    text: str
    entries: List[Entry]


# ---- C and C++


def comment_text(lines: List[str]) -> str:
    return "\n".join(line.strip()[2:].removeprefix(" ") for line in lines)


def with_line_comments(text: str) -> str:
    """Block comments that begin a line, as comments to the end of the line."""

    def rewritten(match: "re.Match[str]") -> str:
        inside = match.group(2).rstrip().removesuffix("*/").rstrip()
        return "\n".join(f"{match.group(1)}// {line.strip().removeprefix('*').strip()}".rstrip() for line in inside.split("\n"))

    return re.sub(r"^([ ]*)/\*(.*?\*/)[ ]*$", rewritten, text, flags=re.MULTILINE | re.DOTALL)


def is_comment(line: str) -> bool:
    return line.strip().startswith("//")


def depth_of(line: str) -> int:
    code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'|/\*.*?\*/|/\*.*', "", line.split("//")[0])
    return sum(code.count(opening) - code.count(closing) for opening, closing in ("{}", "()"))


def name_of(code: str) -> str:
    """What a declaration declares."""
    plain = re.sub(r"//[^\n]*|/\*.*?\*/", "", code, flags=re.DOTALL).strip().removeprefix("EMEND_API ")
    plain = re.sub(r"^template\s*<[^{;]*?>\s*(?=\w)", "", plain)
    kind = re.match(r"(?:typedef\s+)?(?:struct|class|enum class|enum|union)\s+(\w+)", plain)
    if kind and not re.match(r"struct \w+\s*\*?\s*\w+\s*\(", plain):
        return kind.group(1)
    alias = re.match(r"using\s+(\w+)\s*=", plain)
    if alias:
        return alias.group(1)
    pointer = re.match(r"typedef[^(]*\(\*(\w+)\)", plain)
    if pointer:
        return pointer.group(1)
    if re.match(r"enum\s*{", plain):
        return "constants"
    macro = re.match(r"#define\s+(\w+)", plain)
    if macro:
        return macro.group(1)
    head = re.split(r"[({=;]", plain, maxsplit=1)[0]
    words = re.findall(r"operator\s*\S+|[\w:]+", head)
    return words[-1] if words else ""


def declarations(lines: List[str]) -> Iterator[Tuple[List[str], str]]:
    """The comment and the code of each declaration outside of others."""
    comment: List[str] = []
    code: List[str] = []
    depth = 0
    for line in lines:
        if not code and is_comment(line):
            comment.append(line)
            continue
        if not code and not line.strip():
            comment = []
            continue
        code.append(line)
        depth += depth_of(line)
        ends = re.sub(r"/\*.*", "", line.split("//")[0]).rstrip()
        if depth <= 0 and ends.endswith((";", "}")):
            yield comment, "\n".join(code)
            comment, code, depth = [], [], 0


def read_header(path: Path) -> Section:
    text = re.sub(r'#ifdef __cplusplus\n(extern "C" {|})\n#endif\n', "", path.read_text(encoding="utf-8"))
    lines = with_line_comments(text).split("\n")
    top: List[str] = []
    for line in lines:
        if not is_comment(line):
            break
        top.append(line)
    if not top:
        raise SystemExit(f"{path}: the header does not begin with a description")
    skipped = r'\s*(#(include|pragma|if|ifdef|ifndef|endif|else|undef)|namespace\b|}  // namespace|#define EMEND_\w+_H)'
    body = [line for line in lines[len(top) :] if not re.match(skipped, line) or line.startswith(" ")]
    entries: List[Entry] = []
    for comment, code in declarations(body):
        if re.match(r"(class|struct) \w+;", code):
            continue  # a forward declaration
        name = name_of(code)
        if not name or name == "EMEND_API":
            continue
        if entries and entries[-1].name == name:  # overloads stand together
            entries[-1].code += "\n" + code
            entries[-1].text += "\n" + comment_text(comment) if comment else ""
            continue
        entries.append(Entry(name, code, comment_text(comment)))
    return Section(f"emend/{path.name}", comment_text(top), entries)


def read_headers() -> List[Section]:
    paths = sorted(HEADERS.glob("*.h"), key=lambda path: (path.name.startswith("c_api"), path.name))
    return [read_header(path) for path in paths]


# ---- Python


def signature(node: ast.FunctionDef) -> str:
    copy = ast.FunctionDef(name=node.name, args=node.args, body=[ast.Expr(ast.Constant(...))], decorator_list=[], returns=node.returns)
    copy.type_params = []  # type: ignore[attr-defined]
    return ast.unparse(ast.fix_missing_locations(copy)).rsplit(":", 1)[0]


def docstring(node: ast.AST, where: str) -> str:
    text = ast.get_docstring(node)  # type: ignore[arg-type]
    if not text:
        raise SystemExit(f"{where} has no docstring")
    return text


def is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "property" for decorator in node.decorator_list)


class PythonPackage:
    """The public names of the package, or of one of its public modules, read from their sources."""

    def __init__(self, module: str = "") -> None:
        self.name = f"emend.{module}" if module else "emend"
        self.places: Dict[str, Tuple[str, ast.AST]] = {}
        for path in sorted(PACKAGE.glob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                    self.places[node.name] = (path.stem, node)
        package = ast.parse((PACKAGE / f"{module or '__init__'}.py").read_text(encoding="utf-8"))
        self.text = ast.get_docstring(package) or ""
        listed = [node for node in package.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
        names: List[str] = ast.literal_eval(listed[0].value)
        self.modules = [name for name in names if not module and (PACKAGE / f"{name}.py").exists() and name not in self.places]
        self.public: List[str] = [name for name in names if name not in self.modules]

    def methods(self, node: ast.ClassDef) -> Iterator[Entry]:
        """Its own, and those of the parts that it is made of."""
        for base in node.bases:
            place = self.places.get(ast.unparse(base))
            if place is not None and isinstance(place[1], ast.ClassDef) and place[1].name not in self.public:
                yield from self.methods(place[1])
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                if any(ast.unparse(decorator).endswith(".setter") for decorator in item.decorator_list):
                    continue
                text = ast.get_docstring(item) or ""
                inherits = any(ast.unparse(base) in self.public for base in node.bases)
                if not text and not inherits:
                    raise SystemExit(f"{node.name}.{item.name} has no docstring")
                yield Entry(item.name, f"{item.name}: property" if is_property(item) else signature(item), text)

    def entry(self, name: str) -> Entry:
        if name not in self.places:
            raise SystemExit(f"{name} is in __all__ and nowhere defined")
        module, node = self.places[name]
        if isinstance(node, ast.FunctionDef):
            return Entry(name, signature(node), docstring(node, name))
        assert isinstance(node, ast.ClassDef)
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        fields = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
        code = f"class {name}({bases})" if bases else f"class {name}"
        return Entry(name, "\n    ".join([code, *fields]), docstring(node, name), list(self.methods(node)))

    def section(self) -> Section:
        return Section(f"Python: {self.name}", self.text, [self.entry(name) for name in self.public])

    def sections(self) -> List[Section]:
        """Its own, and those of its public modules."""
        return [self.section(), *(PythonPackage(module).section() for module in self.modules)]


# ---- the page

STYLE = """
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; display: flex; }
nav { width: 15rem; height: 100vh; overflow: auto; position: sticky; top: 0; padding: 1rem; box-sizing: border-box;
      background: #f3f5f8; font-size: 14px; } nav a { display: block; color: inherit; text-decoration: none; }
main { padding: 1rem 2rem; max-width: 56rem; min-width: 0; } h2 { margin-top: 3rem; border-top: 1px solid #d5dbe3; padding-top: 1rem; }
pre { background: #f3f5f8; padding: .7rem; overflow: auto; font-size: 13px; } p, pre { margin: .4rem 0; }
.member { margin-left: 1.5rem; } code { font-size: .9em; background: #f3f5f8; }
@media (prefers-color-scheme: dark) { body { color: #dde3ea; background: #14181e; } nav, pre, code { background: #1f252d; } }
@media (max-width: 50rem) { body { display: block; } nav { width: auto; height: auto; position: static; } }
"""


def anchor(*parts: str) -> str:
    return re.sub(r"\W+", "-", "-".join(parts)).strip("-").lower()


def prose(text: str) -> str:
    """Paragraphs; what is indented stays as it is."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if not block.strip():
            continue
        escaped = html.escape(block)
        if re.match(r"\s{2,}|>>> ", block):
            blocks.append(f"<pre>{escaped}</pre>")
        else:
            blocks.append("<p>" + re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escaped) + "</p>")
    return "\n".join(blocks)


def entry_html(section: Section, entry: Entry) -> str:
    place = anchor(section.title, entry.name)
    members = "".join(
        f'<div class="member"><pre>{html.escape(member.code)}</pre>{prose(member.text)}</div>' for member in entry.members
    )
    return f'<h3 id="{place}">{html.escape(entry.name)}</h3>\n{prose(entry.text)}<pre>{html.escape(entry.code)}</pre>{members}\n'


def page(sections: List[Section]) -> str:
    links = "".join(f'<a href="#{anchor(section.title)}">{html.escape(section.title)}</a>' for section in sections)
    body = ""
    for section in sections:
        body += f'<h2 id="{anchor(section.title)}">{html.escape(section.title)}</h2>\n{prose(section.text)}\n'
        body += "".join(entry_html(section, entry) for entry in section.entries)
    head = f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>emend: reference</title><style>{STYLE}</style></head>'
    return f"{head}\n<body><nav>{links}</nav><main><h1>emend: reference</h1>\n{body}</main></body></html>\n"


def all_sections() -> List[Section]:
    return [*read_headers(), *PythonPackage().sections()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "api.html", help="the page to write (default: build/api.html)")
    out = parser.parse_args().out
    sections = all_sections()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(sections), encoding="utf-8")
    print(f"{out}: {len(sections)} sections, {sum(len(section.entries) for section in sections)} names", file=sys.stderr)


if __name__ == "__main__":
    main()
