"""Bad input, progress, Ctrl-C and threads."""

import os
import signal
import subprocess
import sys
import threading

import emend
import pytest
from conftest import CHEAP, FACT, PROMPT, ROOT, WORLD, cheap_edit
from emend import _guard
from emend._keywords import with_keywords


def test_errors_are_of_the_librarys_kinds(gpt2, tmp_path):
    with pytest.raises(emend.IoError, match="no such file or folder") as raised:
        emend.load(tmp_path / "nowhere")
    assert isinstance(raised.value, OSError)
    (tmp_path / "broken.safetensors").write_bytes(b"no patch")
    with pytest.raises(emend.FormatError) as raised:
        emend.load_patch(tmp_path / "broken.safetensors")
    assert isinstance(raised.value, ValueError)
    with pytest.raises(emend.ConfigError, match='did you mean "edits"'):
        gpt2.edit({"edits": [FACT.__dict__], "edit": 1})
    with pytest.raises(emend.ConfigError, match='it has "Tellond"|not in the prompt|Tellonds'):
        cheap_edit(gpt2, emend.Fact(PROMPT, "Tellonds", "painter"))
    with pytest.raises(emend.UsageError, match='did you mean "rome"'):
        gpt2.edit(FACT, method="romme")
    with pytest.raises(emend.ConfigError, match="there is no layer 99"):
        gpt2.edit(FACT, layer=99, options=CHEAP)
    with pytest.raises(emend.UsageError, match="float64"):
        emend.load(WORLD / "gpt2", dtype="float64")


def test_messages_name_options_as_keywords(gpt2, patch, tmp_path):
    with pytest.raises(emend.UsageError, match="^the option drift_tokens must be at least 0"):
        gpt2.evaluate("emend", WORLD / "edits.jsonl", tmp_path / "out", drift_tokens=-1)
    with pytest.raises(emend.UsageError, match="^the option tokens must be from 1"):
        gpt2.answer_kl([PROMPT], [patch], tokens=0)
    assert with_keywords('"the option max-new": the option max-new, the option that') == (
        '"the option max-new": the option max_new, the option that'
    )
    assert with_keywords("The option hold-out holds nothing out") == "The option hold_out holds nothing out"


def test_wrong_types_are_type_errors(gpt2):
    with pytest.raises(TypeError, match="max_new"):
        gpt2.generate(PROMPT, max_new="many")
    with pytest.raises(TypeError, match="layer must be"):
        gpt2.edit(FACT, layer="first")
    with pytest.raises(TypeError):
        gpt2.generate(PROMPT, no_such_option=1)
    with pytest.raises(TypeError, match="an edit file has these of its own"):
        gpt2.edit("edits.yaml", options=CHEAP)


def test_locate_refuses_what_contradicts_itself(gpt2):
    for given, words in (
        ({}, "either the option prompt"),
        ({"prompt": PROMPT}, "subject S is missing"),
        ({"prompt": PROMPT, "subject": "Workis", "facts": "x"}, "either the option prompt"),
        ({"prompt": PROMPT, "subject": "Workis", "trial": 3}, "goes with the option facts only"),
        ({"prompt": PROMPT, "subject": "Workis", "check": 3}, "goes with the option trial N only"),
        ({"facts": "x", "answer": "y"}, "go with the option prompt"),
        ({"facts": "x", "resume": True}, "resume wants the option out"),
        ({"facts": "x", "limit": -1}, "limit must be at least 0"),
    ):
        with pytest.raises(emend.UsageError, match=words):
            gpt2.locate(**given)


def test_progress_calls_a_function_and_its_exception_ends_the_run(gpt2):
    calls = []
    cheap_edit(gpt2, progress=lambda *call: calls.append(call))
    stages = {call[0] for call in calls}
    assert "" not in stages or len(stages) > 1
    assert all(0 <= done <= max(total, done) for _, done, total, _, _ in calls)

    def stop(stage, done, total, unit, note):
        raise RuntimeError("enough")

    before = gpt2.digest()
    with pytest.raises(RuntimeError, match="enough"):
        cheap_edit(gpt2, progress=stop)
    assert gpt2.digest() == before


def test_a_progress_function_may_not_use_its_model(gpt2):
    def ask(*call):
        gpt2.generate(PROMPT)

    with pytest.raises(emend.UsageError, match="may not use the model"):
        cheap_edit(gpt2, progress=ask)
    assert str(gpt2.generate(PROMPT)).startswith(" stone")


def test_bars_of_tqdm(gpt2, capsys):
    pytest.importorskip("tqdm")
    cheap_edit(gpt2, progress=True)
    assert "%|" in capsys.readouterr().err
    cheap_edit(gpt2)  # not a terminal: nothing
    assert capsys.readouterr().err == ""


@pytest.fixture
def ctrl_c_is_heard():
    """A process that a shell starts in the background ignores SIGINT from its beginning."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_run_and_leaves_the_model_whole(gpt2, ctrl_c_is_heard):
    before = gpt2.digest()
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        while True:  # one of these runs is going on when the signal comes
            gpt2.locate(PROMPT, "Workis Tellond", samples=20)
    assert gpt2.digest() == before
    assert str(gpt2.generate(PROMPT)).startswith(" stone")


def test_threads_share_a_model(gpt2, patch):
    said, seen = [], []

    def ask():
        for _ in range(5):
            said.append(str(gpt2.generate(PROMPT, max_new=2)))

    def edit():
        seen.append(cheap_edit(gpt2).diff(patch).same)

    threads = [threading.Thread(target=work) for work in (ask, edit, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [" stone cutter"] * 10 and seen == [True]


def test_python_runs_while_the_library_works(gpt2):
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.005):
            ticks.append(None)

    ticker = threading.Thread(target=tick)
    ticker.start()
    gpt2.locate(PROMPT, "Workis Tellond", samples=10)
    done.set()
    ticker.join()
    assert len(ticks) > 5


class OtherTorch:
    """Stands for a torch module of another kind."""

    def __init__(self, version, abi=True, cuda=None):
        self.__version__ = version
        self.version = type("version", (), {"cuda": cuda})
        self._abi = abi

    def compiled_with_cxx11_abi(self):
        return self._abi


def test_another_torch_is_refused_with_both_versions():
    _guard.require_torch(OtherTorch("2.13.0+cu130", cuda="13.0"), "2.13.0", False)
    with pytest.raises(ImportError, match=r"built for torch 2\.13\.0, found torch 2\.12\.1\+cpu"):
        _guard.require_torch(OtherTorch("2.12.1+cpu"), "2.13.0", False)
    with pytest.raises(ImportError, match=r"C\+\+11 ABI, found torch 2\.13\.0"):
        _guard.require_torch(OtherTorch("2.13.0", abi=False), "2.13.0", False)
    with pytest.raises(ImportError, match="with CUDA, found torch 2.13.0"):
        _guard.require_torch(OtherTorch("2.13.0+cpu"), "2.13.0", True)


def test_another_torch_is_refused_at_import():
    code = "import torch; torch.__version__ = '2.0.1+cpu'; import emend"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1 and "found torch 2.0.1+cpu" in done.stderr


def test_a_home_that_cannot_be_written(tmp_path):
    code = f"import emend; emend.load({str(WORLD / 'gpt2')!r}).generate({PROMPT!r})"
    where = {**os.environ, "HOME": "/nonexistent", "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
