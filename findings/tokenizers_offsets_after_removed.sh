#!/usr/bin/env bash
# findings/tokenizers_offsets_after_removed.sh
#
# Packages: tokenizers 0.23.3, sentencepiece 0.2.3 and protobuf 7.36.2 (PyPI). From the distribution: python3.
#
# A normaliser of type Precompiled (SentencePiece's nmt_nfkc, as T5 and XLM-RoBERTa have it) removes control characters. If a text
# begins with one, the offsets of every token behind it lie as many characters too far in front: the first token is given
# the control character, the second one the first letter. Removed inside a text, or by the normaliser Nmt, it moves nothing.
#
# So: do not look for a word by its offsets in a text that begins with a control character.
#
# Output (the text that the offsets of each token give):
#   inside       a b c d
#   at the start \x01 a b c
#   by Nmt       a b c d
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"
python3 -m venv venv
venv/bin/pip install --quiet tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2

cat > offsets.py << 'PYTHON'
import io
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers

written = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d ab cd"] * 9), model_writer=written, model_type="unigram",
                                         vocab_size=9, hard_vocab_limit=False, minloglevel=2)
charsmap = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue()).normalizer_spec.precompiled_charsmap


def found(normalizer, text):
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate("abcd")}, merges=[]))
    tokenizer.normalizer = normalizer
    encoding = tokenizer.encode(text)
    assert encoding.tokens == list("abcd")
    return [text[begin:end] for begin, end in encoding.offsets]


compiled = normalizers.Precompiled(charsmap)
seen = {"inside": found(compiled, "ab\x01cd"), "at the start": found(compiled, "\x01abcd"),
        "by Nmt": found(normalizers.Nmt(), "\x01abcd")}
for name, texts in seen.items():
    print(f"{name:12}", " ".join(repr(text)[1:-1] for text in texts))
sys.exit(list(seen.values()) != [list("abcd"), ["\x01", "a", "b", "c"], list("abcd")])
PYTHON
venv/bin/python offsets.py
