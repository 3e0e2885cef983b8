"""What a model says, and what is inside a pass."""

import emend
import pytest
import torch
from conftest import PROMPT


def test_generate_is_that_of_the_program(model, model_path, program):
    said = model.generate(PROMPT, max_new=8, top=5)
    assert said.to_dict() == program("generate", PROMPT, "--model", model_path, "--max-new", 8, "--top", 5)
    assert str(said) == said.completion
    assert len(said.completion_tokens) == 8 and not said.ended


def test_generate_draws_by_its_seed(gpt2):
    drawn = [gpt2.generate(PROMPT, temperature=2.0, seed=seed).completion for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_next_tokens_are_the_largest_logits(model):
    logits = model.logits(PROMPT)
    expected = torch.log_softmax(logits[-1].double(), 0).topk(4)
    found = model.next_tokens(PROMPT, 4)
    assert [token.id for token in found] == expected.indices.tolist()
    assert [token.logprob for token in found] == pytest.approx(expected.values.tolist(), abs=1e-5)


def test_logits_take_text_and_ids(model):
    said = model.generate(PROMPT, max_new=1)
    logits = model.logits(said.tokens)
    assert logits.shape == (len(said.tokens), model.vocab)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, model.logits(PROMPT))


def test_hidden_values_are_the_down_projection_of_keys(model):
    keys, values = model.hidden(PROMPT, "key"), model.hidden(PROMPT, "mlp_output")
    assert keys.layers == list(range(model.layers))
    assert keys.pieces[1] == "Workis"
    for layer in keys.layers:
        weight = model.down_projection(layer)
        assert weight.shape == (model.d_model, model.d_ff)
        bias = (values[layer] - keys[layer] @ weight.T)[0]  # GPT-2 has one, the same at every token
        assert torch.allclose(values[layer], keys[layer] @ weight.T + bias, atol=1e-4)


def test_tensors_are_the_models_own_memory(gpt2):
    assert gpt2.down_projection(3).data_ptr() == gpt2.down_projection(3).data_ptr()
    vectors = gpt2.hidden(PROMPT, layers=[0])[0]
    assert not vectors.requires_grad
    vectors.add_(1)  # a recording belongs to its caller alone
    assert not torch.equal(vectors, gpt2.hidden(PROMPT, layers=[0])[0])


def test_a_tensor_outlives_its_model():
    from conftest import WORLD

    model = emend.load(WORLD / "gpt2")
    weight = model.down_projection(0)
    total = weight.sum().item()
    del model
    assert weight.sum().item() == total


def test_what_is_out_of_range_is_refused(gpt2):
    with pytest.raises(emend.UsageError, match="no token 99999"):
        gpt2.logits([1, 99999])
    with pytest.raises(emend.UsageError, match="at least one id"):
        gpt2.logits([])
    with pytest.raises(emend.UsageError, match='no site "mlp"; known: attn_output'):
        gpt2.hidden(PROMPT, "mlp")
    with pytest.raises(emend.Error, match="there is no layer 99"):
        gpt2.hidden(PROMPT, layers=[99])
    with pytest.raises(emend.UsageError, match="max_new"):
        gpt2.generate(PROMPT, max_new=0)
    with pytest.raises(emend.UsageError, match="form must be raw or chat"):
        gpt2.generate(PROMPT, form="prose")


def test_a_model_tells_what_it_is(model, model_path, program):
    info = program("model", "info", model_path)
    assert model.summary().to_dict() == info
    assert (model.family, model.layers, model.d_ff) == (
        info["model"]["family"],
        info["model"]["layers"],
        info["model"]["d_ff"],
    )
    assert model.fingerprint == info["model"]["fingerprint"]
    assert model.path == model_path
    assert "9 layers" in repr(model)
