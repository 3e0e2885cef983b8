#!/usr/bin/env bash
# scripts/demo.sh [-- CMAKE_ARGUMENT...]
#
# Installs what is missing, builds emend, brings a small language model, edits the fact of examples/eiffel.yaml and shows
# the model before and after. A second run installs, builds and downloads nothing. Exits with emend's own exit code: 4 says
# that the edit is made but a check failed.
#
# A libtorch of your own: EMEND_LIBTORCH=/path scripts/demo.sh, or scripts/demo.sh -- -DCMAKE_PREFIX_PATH=/path

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
  -h | --help) print_help; exit 0 ;;
  --) shift ;;
  ?*) stop "no such argument: '$1'; see $0 --help" ;;
esac
[[ ${EMEND_SKIP_MODEL:-} != 1 ]] || stop "the demo edits the model: it cannot run with EMEND_SKIP_MODEL=1"

readonly edit_file=examples/eiffel.yaml
readonly out=out
readonly patch=$out/eiffel.safetensors

build_targets=(emend)
set_up "$@"

heading "Edit: $emend edit $edit_file --out $out"
code=0
"$emend" edit "$edit_file" --out "$out" || code=$?
case $code in
  0) ;;
  4) printf '\n'
     say "The edit is done, but a check failed (see the table): the patch is marked as failed." ;;
  *) printf '\n%s: the edit failed with exit code %d; its message is above\n' "$(basename "$0")" "$code" >&2
     exit "$code" ;;
esac
[[ -s $patch ]] || stop "the edit went through, but $patch is not there"

heading "Before and after"
prompt=$(sed -n 's/^ *prompt: *"\(.*\)" *\(#.*\)\{0,1\}$/\1/p' "$edit_file" | head -n 1)
generate=("$emend" generate "$prompt" --model "$model" --max-new 12)
say "Before:"
"${generate[@]}" || stop "the original model could not be run"
printf '\n'
say "After:"
"${generate[@]}" --patch "$patch" || stop "the edited model could not be run"

heading "Done in $(elapsed)"
say "The patch lies in $patch ($(du -h "$patch" | cut -f 1)). Try it:"
printf '\n   %s generate "%s" --model %s --patch %s\n\n' "$emend" "$prompt" "$model" "$patch"
((code == 0)) || say "A check failed, so this script ends with exit code $code, as emend did."
exit "$code"
