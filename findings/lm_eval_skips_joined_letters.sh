#!/usr/bin/env bash
# findings/lm_eval_skips_joined_letters.sh
#
# Packages: lm-eval 0.4.13, transformers 5.24.0, accelerate 1.10.1, torch 2.13.0 (PyPI; seen with the build for the
# CPU).
#
# lm-evaluation-harness finds the tokens of an answer by a count: it splits the prompt with its answer, and takes
# what lies behind as many tokens as the prompt has alone. Where an answer follows without a blank (target_delimiter
# "", as for Chinese and Japanese, or a word that is to be completed), a token may reach over the join. The tokens
# behind it are then all that is scored, and they are put behind the tokens of the prompt alone: the letters that the
# joined token has of the answer are neither read nor scored. "the" + "reby", split as "there", "by", has the score
# of "the" + "by", to the bit. Nothing warns; only if no token is left behind, the run ends with an error.
#
# So: such a likelihood may be that of another answer, a shorter and so a likelier one; check for each item that
# the ids of the prompt begin those of prompt and answer.
#
# Output (random llama, a vocabulary of the letters, "the", "there" and "by"; log-likelihoods):
#   the + reby        -6.43   greedy False
#   the + by          -6.43   greedy False
#   the + r,e,by      -8.86   (the same letters as tokens that begin behind the prompt; directly by the model)
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet lm-eval==0.4.13 transformers==5.24.0 accelerate==1.10.1 torch==2.13.0

cat > joined.py << 'PYTHON'
import logging
import sys
import warnings

import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, models

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
merges = [("t", "h"), ("th", "e"), ("r", "e"), ("the", "re"), ("b", "y")]
tokens = ["</s>", *"abcdefghijklmnopqrstuvwxyz", *(a + b for a, b in merges)]
ids = {token: i for i, token in enumerate(tokens)}
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab=ids, merges=merges)),
                                                 eos_token="</s>", pad_token="</s>")
assert tokenizer.tokenize("the") == ["the"] and tokenizer.tokenize("thereby") == ["there", "by"]

torch.manual_seed(0)
torch.set_num_threads(1)
model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
    vocab_size=len(tokens), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
    max_position_embeddings=64, bos_token_id=0, eos_token_id=0)).eval()
with torch.no_grad():
    for weight in model.parameters():
        if weight.ndim == 2:
            weight.mul_(10)
lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, device="cpu")


def harness(prompt, answer):
    return lm.loglikelihood([Instance("loglikelihood", {}, (prompt, answer), 0)], disable_tqdm=True)[0]


def directly(prompt, *answer):
    row = [ids[token] for token in (prompt, *answer)]
    with torch.no_grad():
        rows = model(torch.tensor([row])).logits[0].log_softmax(-1)
    return sum(rows[i - 1, row[i]].item() for i in range(1, len(row)))


joined, short = harness("the", "reby"), harness("the", "by")
print(f"the + reby      {joined[0]:7.2f}   greedy {joined[1]}")
print(f"the + by        {short[0]:7.2f}   greedy {short[1]}")
print(f"the + r,e,by    {directly('the', 'r', 'e', 'by'):7.2f}")
same = joined == short and abs(joined[0] - directly("the", "by")) < 1e-4
sys.exit(0 if same and abs(joined[0] - directly("the", "r", "e", "by")) > 1 else 1)
PYTHON
HF_HUB_OFFLINE=1 venv/bin/python joined.py 2> errors.txt || { cat errors.txt >&2; exit 1; }
echo "as stated"
