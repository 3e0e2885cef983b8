#!/usr/bin/env bash
# findings/sentencepiece_sums_in_float32.sh
#
# Packages: sentencepiece 0.2.1, protobuf 6.33.1, tokenizers 0.23.3 (PyPI).
#
# A unigram tokenizer takes the split of a text whose scores have the largest sum. SentencePiece adds the scores from the start of
# the text in float32. A thousand words on, the sum is about -10000 and its steps are 0.001, so that two splits of a word that
# differ by less are the same to it: the same word, spelled the same, becomes other ids further down in the text. tokenizers
# ("Unigram" in tokenizer.json, what transformers uses for T5, XLM-R, mT5 and the like) adds in float64 and does not
# change its mind; the two are meant to give the same ids and do so for short texts, such as those of a test of the conversion.
#
# So: ids of a long text from SentencePiece are not those of its parts, and a test of a tokenizer needs long texts; split at
# lines before it, and compare with tokenizers where the checkpoint has a tokenizer.json.
#
# Output (splits of the last word "ab" of the text; "a" + "b" is better than "ab" by 0.0002):
#   words before   SentencePiece   tokenizers
#   0              a b             a b
#   100            a b             a b
#   1000           ab              a b
#   3000           ab              a b
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet sentencepiece==0.2.1 protobuf==6.33.1 tokenizers==0.23.3

cat > split.py << 'PYTHON'
import sys

from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer, models, normalizers

pieces = [("\u2581", -3.0), ("ab", -7.0002), ("a", -4.0), ("b", -3.0), ("word", -10.3)]
proto = pb.ModelProto()
proto.trainer_spec.model_type = pb.TrainerSpec.UNIGRAM
proto.trainer_spec.unk_id, proto.trainer_spec.bos_id, proto.trainer_spec.eos_id, proto.trainer_spec.pad_id = 0, -1, -1, -1
proto.normalizer_spec.name = "identity"
proto.normalizer_spec.add_dummy_prefix = False
for piece, score in [("<unk>", 0.0), *pieces]:
    kind = pb.ModelProto.SentencePiece.UNKNOWN if piece == "<unk>" else pb.ModelProto.SentencePiece.NORMAL
    proto.pieces.add(piece=piece, score=score, type=kind)
reference = SentencePieceProcessor(model_proto=proto.SerializeToString())
other = Tokenizer(models.Unigram([("<unk>", 0.0), *pieces], 0, False))
other.normalizer = normalizers.Replace(" ", "\u2581")

print(f"{'words before':15}{'SentencePiece':16}tokenizers")
changed = False
for count, expected in ((0, "a b"), (100, "a b"), (1000, "ab"), (3000, "ab")):
    text = "word " * count + "ab"
    last = []
    for split in (reference.encode(text, out_type=str), other.encode(text).tokens):
        assert "".join(split).replace("\u2581", " ") == text
        spaces = [i for i, piece in enumerate(split) if piece == "\u2581"]
        last.append(" ".join(split[spaces[-1] + 1 if spaces else 0 :]))
    print(f"{count:<15}{last[0]:16}{last[1]}")
    changed = changed or last != [expected, "a b"]
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python split.py
echo "as stated"
