"""Models that transformers has loaded."""

import emend
import pytest
import torch
from conftest import PROMPT, ROOT, WORLD, cheap_edit

transformers = pytest.importorskip("transformers")


@pytest.fixture(params=["gpt2", "llama"])
def loaded(request):
    folder = WORLD / request.param
    return folder, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_the_weights_are_shared_and_stay_as_they_are(loaded):
    folder, module = loaded
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    wrapped = emend.wrap(module)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, before[name]), name
    pointers = {parameter.data_ptr() for parameter in module.parameters()}
    assert all(wrapped.down_projection(layer).data_ptr() in pointers for layer in range(wrapped.layers))
    # No second copy: the storages of the module are those of the model, each once.
    storages = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in module.parameters()}
    assert sum(storages.values()) == wrapped.summary().bytes
    assert wrapped.path == folder and wrapped.module is module


def test_it_says_what_the_module_says(loaded):
    _, module = loaded
    wrapped = emend.wrap(module)
    ids = wrapped.generate(PROMPT, max_new=1).tokens
    with torch.no_grad():
        expected = module(torch.tensor([ids])).logits[0]
    assert torch.allclose(wrapped.logits(ids), expected, atol=1e-4)


def test_the_module_takes_a_patch_in_place(loaded):
    _, module = loaded
    wrapped = emend.wrap(module)
    patch = cheap_edit(wrapped)
    ids = torch.tensor([wrapped.generate(PROMPT, max_new=1).tokens])

    def says():
        with torch.no_grad():
            return module(ids).logits[0]

    before, digest = says(), wrapped.digest()
    with wrapped.edited(patch):
        assert torch.allclose(says(), wrapped.logits(ids[0].tolist()), atol=1e-4)
        assert says()[-1].argmax() != before[-1].argmax()
        assert patch.verify().passed
    assert torch.equal(says(), before) and wrapped.digest() == digest
    wrapped.put(patch)
    assert str(wrapped.generate(PROMPT)).startswith(" painter")
    wrapped.remove(patch)
    assert torch.equal(says(), before)


def test_the_fingerprint_is_that_of_the_file(tmp_path):
    folder = ROOT / "tests" / "data" / "parity" / "llama_bf16"
    module = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert module.dtype == torch.bfloat16
    assert emend.wrap(module).fingerprint == emend.load(folder).fingerprint


def test_a_change_outside_is_noticed(loaded):
    _, module = loaded
    wrapped = emend.wrap(module)
    name, parameter = next(iter(module.named_parameters()))
    parameter.data.add_(1e-3)  # not counted by torch: only the numbers tell
    with pytest.raises(emend.ModelError, match="changed outside: one of its parameters"):
        cheap_edit(wrapped)
    with torch.no_grad():
        parameter.add_(1e-3)
    with pytest.raises(emend.ModelError, match=f"changed outside: its parameter {name}"):
        wrapped.logits([1, 2])
    assert emend.wrap(module).logits([1, 2]).isfinite().all()


def test_a_tokenizer_is_taken(tmp_path):
    folder = WORLD / "gpt2"
    module = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wrapped = emend.wrap(module, tokenizer, path=tmp_path / "mine")
    assert wrapped.path == tmp_path / "mine"
    assert str(wrapped.generate(PROMPT, max_new=2)) == " stone cutter"


def test_what_cannot_be_wrapped_is_refused():
    module = transformers.AutoModelForCausalLM.from_pretrained(WORLD / "gpt2", dtype=torch.float16)
    with pytest.raises(emend.ModelError, match="of type Half on cpu"):
        emend.wrap(module)
    module = transformers.AutoModelForCausalLM.from_pretrained(WORLD / "gpt2", dtype=torch.float32)
    module.transformer.h[3].mlp.c_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(emend.ModelError, match="h.3.mlp.c_proj.weight holds NaN"):
        emend.wrap(module)
    config = transformers.T5Config(d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, vocab_size=16)
    with pytest.raises(emend.ModelError, match="t5"):
        emend.wrap(transformers.T5ForConditionalGeneration(config))
