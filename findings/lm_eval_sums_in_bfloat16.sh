#!/usr/bin/env bash
# findings/lm_eval_sums_in_bfloat16.sh
#
# Packages: lm-eval 0.4.13, transformers 5.24.0, accelerate 1.10.1, torch 2.13.0 (PyPI; seen with the build for the
# CPU).
#
# lm-evaluation-harness turns the logits of a Hugging Face model into log-probabilities, and adds those of an
# answer, in the type of the model. In bfloat16 an answer between -64 and -128 nats is a multiple of 0.5. Answers
# of one question are often nearer to each other than that: they get the same number, and acc takes the first of
# them; acc_norm divides the rounded numbers. The forward pass is not to blame, its logits are the same in both
# rows below: softmax_dtype=float32 (--model_args softmax_dtype=float32) mends it. It is not the default.
#
# So: an edit that costs a tenth of a nat cannot be seen at the default, and one that costs nothing can flip
# answers; compare two models with softmax_dtype=float32, or with models in float32.
#
# Output (random llama in bfloat16, 100 questions of 4 answers of 12 tokens; against log_softmax in float64 of the
# same logits):
#   default                   400 sums, 29 of them distinct    largest error 0.35   best tied 5 times, another best 3 times
#   softmax_dtype=float32     400 sums, 400 of them distinct   largest error 0.00   best tied 0 times, another best 0 times
# The digits depend on random weights; a check asks for fewer than 100, more than 0.2, and one at least.
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet lm-eval==0.4.13 transformers==5.24.0 accelerate==1.10.1 torch==2.13.0

cat > sums.py << 'PYTHON'
import logging
import random
import sys
import warnings

import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, models, pre_tokenizers

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
words = [f"w{i}" for i in range(500)]
ids = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", *words])}
splitter = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
splitter.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=splitter, bos_token="<s>", eos_token="</s>",
                                                 unk_token="<unk>", pad_token="</s>")
torch.manual_seed(0)
torch.set_num_threads(1)
model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
    vocab_size=len(ids), hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=128, bos_token_id=1, eos_token_id=2)).eval()
with torch.no_grad():
    for weight in model.parameters():
        if weight.ndim == 2:
            weight.mul_(5)
model = model.to(torch.bfloat16)

draw = random.Random(0)
pairs = []
for _ in range(100):
    question = " ".join(draw.choices(words, k=8))
    pairs += [(question, " " + " ".join(draw.choices(words, k=12))) for _ in range(4)]


def harness(**options):
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, device="cpu", **options)
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    return torch.tensor([total for total, _ in lm.loglikelihood(requests, disable_tqdm=True)], dtype=torch.float64)


def exact(question, answer):
    row = torch.tensor([tokenizer(question + answer, add_special_tokens=False).input_ids])
    with torch.no_grad():
        rows = model(row).logits[0].double().log_softmax(-1)
    return sum(rows[i - 1, row[0, i]].item() for i in range(8, 20))


right = torch.tensor([exact(*pair) for pair in pairs], dtype=torch.float64)
best = right.view(100, 4).argmax(1)
changed = False
for name, options, coarse in (("default", {}, True), ("softmax_dtype=float32", {"softmax_dtype": "float32"}, False)):
    sums = harness(**options)
    distinct, error, table = len(set(sums.tolist())), (sums - right).abs().max().item(), sums.view(100, 4)
    tied = ((table == table.amax(1, keepdim=True)).sum(1) > 1).sum().item()
    other = (table.argmax(1) != best).sum().item()
    print(f"{name:25} 400 sums, {distinct} of them distinct   largest error {error:.2f}   "
          f"best tied {tied} times, another best {other} times")
    seen = (distinct < 100 and error > 0.2 and tied > 0 and other > 0) if coarse else (distinct > 390 and error < 0.001 and other == 0)
    if not seen:
        print("CHANGED", file=sys.stderr)
        changed = True
sys.exit(1 if changed else 0)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python sums.py 2> errors.txt || { cat errors.txt >&2; exit 1; }
echo "as stated"
