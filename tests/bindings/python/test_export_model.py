"""GGUF models that `emend export model` wrote, opened by transformers: the logits of the GGUF file, for every family."""

import emend
import pytest
import torch
from conftest import ROOT

FAMILIES = sorted(path.parent.name for path in (ROOT / "tests" / "data" / "families").glob("*/model.gguf"))
IDS = list(range(2, 22))


@pytest.mark.parametrize("name", FAMILIES)
def test_transformers_has_the_logits_of_the_gguf_file(name, program, tmp_path):
    transformers = pytest.importorskip("transformers")
    gguf = ROOT / "tests" / "data" / "families" / name / "model.gguf"
    told = program("export", "model", "--model", gguf, "--out", tmp_path / "out")
    module, loading = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", dtype="float32", attn_implementation="eager", output_loading_info=True
    )
    assert type(module).__name__ == told["architecture"]
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    with torch.no_grad():
        found = module(torch.tensor([IDS])).logits[0]
    wanted = emend.load(gguf, progress=False).logits(IDS)
    assert (found - wanted).abs().max() <= 1e-4 * wanted.std()
