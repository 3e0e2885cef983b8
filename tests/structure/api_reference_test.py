"""The reference that scripts/api_reference.py writes has all public names. Run with python3, without packages."""

import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import api_reference  # noqa: E402


class Tags(HTMLParser):
    """Which tags are open, and which anchors there are."""

    def __init__(self):
        super().__init__()
        self.open, self.anchors, self.links = [], set(), set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.add(values.get("id"))
        if values.get("href", "").startswith("#"):
            self.links.add(values["href"][1:])
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def public_types(text):
    """Types that a header defines outside of others."""
    return set(re.findall(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: : [^;{]*)? \{", text, re.MULTILINE))


def test_every_header_has_an_entry_with_its_names():
    sections = {section.title: section for section in api_reference.read_headers()}
    for header in (ROOT / "include" / "emend").glob("*.h"):
        section = sections[f"emend/{header.name}"]
        names = {entry.name for entry in section.entries}
        assert len(section.text) > 10, header
        assert names or header.name in ("emend.h", "c_api.h"), header
        missing = public_types(header.read_text(encoding="utf-8")) - names
        assert not missing, (header, missing)
        assert all(re.fullmatch(r"operator\S*|[\w:]+", name) for name in names), (header, names)


def test_known_names_have_their_comments():
    entries = {(section.title, entry.name): entry for section in api_reference.read_headers() for entry in section.entries}
    run = entries["emend/edit_run.h", "run_edit"]
    assert "EditOutcome run_edit(" in run.code and run.text
    assert "dropped" not in run.code and run.code.count(";") == 1
    assert "UTF-8" in entries["emend/tokenizer.h", "Tokenizer"].code
    assert "emend_progress_fn" in entries["emend/c_api_model.h", "emend_progress_fn"].code


def test_python_has_what_all_names():
    package = api_reference.PythonPackage()
    section = package.section()
    assert [entry.name for entry in section.entries] == package.public
    model = {member.name: member for entry in section.entries if entry.name == "Model" for member in entry.members}
    for name in ("generate", "logits", "edit", "put", "verify", "locate", "statistics", "evaluate", "path"):
        assert model[name].text, name
    assert "temperature: float=0.0" in model["generate"].code.replace(" = ", "=")
    assert package.modules == ["memories", "statistics"]
    memories = {entry.name: entry for entry in package.sections()[1].entries}
    assert "subject: str" in memories["timeline"].code and "samples" in memories["timeline"].text


def test_the_page_is_sound():
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "deep" / "api.html"
        subprocess.run([sys.executable, "-B", ROOT / "scripts" / "api_reference.py", "--out", page], check=True, capture_output=True)
        tags = Tags()
        tags.feed(page.read_text(encoding="utf-8"))
    assert not tags.open and tags.links <= tags.anchors
    assert len(tags.links) == len(list((ROOT / "include" / "emend").glob("*.h"))) + 1 + 2  # the package and its two modules


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name}: passed")
