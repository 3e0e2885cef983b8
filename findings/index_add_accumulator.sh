#!/usr/bin/env bash
# findings/index_add_accumulator.sh
#
# Packages: torch 2.13.0 (PyPI; seen with the build for the CPU, x86-64, in its AVX-512, AVX2 and plain
# paths, 1 and 2 threads).
#
# Tensor.index_add_ sums bfloat16 rows in float32 or in bfloat16, depending on things that should not change
# a sum: the rank of the tensor, the type of the index, and alpha. With a matrix, an int64 index and alpha 1
# it sums in float32 and rounds once. With a vector, with an int32 index, or with another alpha it rounds to
# bfloat16 after every addition. A sum of ones then stays at 256, because 256 + 1 rounds to 256. A sum of
# float16 stays at 2048 in the same way. Nothing warns, and torch.use_deterministic_algorithms(True) changes
# nothing.
#
# Not only long sums suffer: with 5000 rows of normal random numbers added into 7, the relative error is
# 0.0012 with an int64 index (the error of rounding once) and 0.03 with the same index as int32 (the bits of
# a loop of bfloat16 additions).
#
# Gradients differ in the same way: that of index_select is summed in float32, those of w[index] and
# embedding in bfloat16, although the three calls return the same values.
#
# So: sum in float32 by hand where a row can be hit often, and do not turn an index into int32 to save
# memory.
#
# Output (a sum of 1000 ones in bfloat16, of 4000 ones in float16; 4 columns where the rank is 2):
#   bfloat16  sum over rows                           1000
#   bfloat16  index_add_, rank 2, int64 index         1000
#   bfloat16  index_add_, rank 2, int32 index         256
#   bfloat16  index_add_, rank 1, int64 index         256
#   bfloat16  index_add_, rank 2, int64, alpha=2      512    (2000 is right)
#   bfloat16  scatter_add_, rank 1                    1000
#   bfloat16  index_put_, accumulate=True             256
#   bfloat16  gradient of w.index_select(0, index)    1000
#   bfloat16  gradient of w[index]                    256
#   bfloat16  gradient of embedding(index, w)         256
#   float16   index_add_, rank 2, int64 index         4000
#   float16   index_add_, rank 2, int32 index         2048
#   bfloat16  random rows, int64 index: as float32, rounded once           True   relative error 0.0012
#   bfloat16  random rows, int32 index: as a loop of bfloat16 additions    True   relative error 0.027
#
# Exits with 1 if this changed, with 2 if python3 is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0

cat > sums.py << 'PYTHON'
import sys
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

import torch
from torch.nn.functional import embedding

changed = False


def check(type, name, sums, expected):
    """All sums of the tensor are equal; prints them and compares them with what was seen."""
    global changed
    values = sums.flatten().float()
    assert (values == values[0]).all(), f"{name}: the columns differ: {values.tolist()}"
    print(f"{str(type).removeprefix('torch.'):9} {name:39} {values[0].item():.0f}")
    if values[0].item() != expected:
        print(f"CHANGED: expected {expected}", file=sys.stderr)
        changed = True


def add(type, shape, index, alpha=1):
    ones = torch.ones(len(index), *shape, dtype=type)
    return torch.zeros(1, *shape, dtype=type).index_add_(0, index, ones, alpha=alpha)


def gradient(type, look_up):
    w = torch.zeros(1, 4, dtype=type, requires_grad=True)
    look_up(w).sum().backward()
    return w.grad


b, h = torch.bfloat16, torch.float16
for threads, deterministic in ((1, False), (2, False), (1, True)):
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    print(f"threads {threads}, deterministic algorithms {deterministic}")
    index = torch.zeros(1000, dtype=torch.int64)
    ones = torch.ones(1000, dtype=b)
    check(b, "sum over rows", torch.ones(1000, 4, dtype=b).sum(0), 1000)
    check(b, "index_add_, rank 2, int64 index", add(b, [4], index), 1000)
    check(b, "index_add_, rank 2, int32 index", add(b, [4], index.int()), 256)
    check(b, "index_add_, rank 1, int64 index", add(b, [], index), 256)
    check(b, "index_add_, rank 2, int64, alpha=2", add(b, [4], index, alpha=2), 512)
    check(b, "scatter_add_, rank 1", torch.zeros(1, dtype=b).scatter_add_(0, index, ones), 1000)
    put = torch.zeros(1, dtype=b).index_put_((index,), ones, accumulate=True)
    check(b, "index_put_, accumulate=True", put, 256)
    check(b, "gradient of w.index_select(0, index)", gradient(b, lambda w: w.index_select(0, index)), 1000)
    check(b, "gradient of w[index]", gradient(b, lambda w: w[index]), 256)
    check(b, "gradient of embedding(index, w)", gradient(b, lambda w: embedding(index, w)), 256)

    index = torch.zeros(4000, dtype=torch.int64)
    check(h, "index_add_, rank 2, int64 index", add(h, [4], index), 4000)
    check(h, "index_add_, rank 2, int32 index", add(h, [4], index.int()), 2048)

# The same on random rows, with what each sum is equal to, bit for bit.
torch.use_deterministic_algorithms(False)
torch.manual_seed(0)
index = torch.randint(0, 7, (5000,))
rows = torch.randn(5000, 4).bfloat16()
exact = torch.zeros(7, 4, dtype=torch.float64).index_add_(0, index, rows.double())
once = torch.zeros(7, 4).index_add_(0, index, rows.float()).bfloat16()
loop = torch.zeros(7, 4, dtype=b)
for target, row in zip(index.tolist(), rows):
    loop[target] += row
for name, used, twin in (
    ("int64 index: as float32, rounded once", index, once),
    ("int32 index: as a loop of bfloat16 additions", index.int(), loop),
):
    seen = torch.zeros(7, 4, dtype=b).index_add_(0, used, rows)
    error = ((seen.double() - exact).norm() / exact.norm()).item()
    print(f"bfloat16  {'random rows, ' + name:60} {torch.equal(seen, twin)!s:6} relative error {error:.2g}")
    changed = changed or not torch.equal(seen, twin)
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python sums.py
echo "the same without AVX:"
ATEN_CPU_CAPABILITY=default venv/bin/python sums.py
echo "as stated"
