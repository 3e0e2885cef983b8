#!/usr/bin/env bash
# findings/digits_inside_characters.sh
#
# Packages: tokenizers 0.23.3 (PyPI).
#
# In a Sequence, steps behind ByteLevel see its spelling of bytes, where each byte is one character. Digits
# (and \p{N} in Split) then find numbers that are none: the bytes 0xB2, 0xB3, 0xB9, 0xBC, 0xBD and 0xBE are
# spelled with U+00B2, U+00B3, U+00B9, U+00BC, U+00BD and U+00BE, which are numbers in Unicode. The second
# byte of "ò" (0xC3 0xB2) is one of them, so that this letter is cut in two and can never be one token, while
# "é" (0xC3 0xA9) stays whole. The other way round,
# Digits in front of ByteLevel, cuts nothing here.
#
# So: run what stands behind ByteLevel on the spelled text, not on the text.
#
# Output:
#   ByteLevel, Digits   é  ['Ã©']
#   ByteLevel, Digits   ò  ['Ã', '²']
#   Digits, ByteLevel   é  ['Ã©']
#   Digits, ByteLevel   ò  ['Ã²']
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet tokenizers==0.23.3

cat > digits.py << 'PYTHON'
import sys

from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

bytes_first = Sequence([ByteLevel(add_prefix_space=False), Digits(individual_digits=False)])
digits_first = Sequence([Digits(individual_digits=False), ByteLevel(add_prefix_space=False)])
changed = False
for name, steps, text, expected in (
    ("ByteLevel, Digits", bytes_first, "\u00e9", ["\u00c3\u00a9"]),
    ("ByteLevel, Digits", bytes_first, "\u00f2", ["\u00c3", "\u00b2"]),
    ("Digits, ByteLevel", digits_first, "\u00e9", ["\u00c3\u00a9"]),
    ("Digits, ByteLevel", digits_first, "\u00f2", ["\u00c3\u00b2"]),
):
    seen = [piece for piece, _ in steps.pre_tokenize_str(text)]
    print(f"{name}   {text}  {seen}")
    changed = changed or seen != expected
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python digits.py
echo "as stated"
