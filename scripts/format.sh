#!/usr/bin/env bash
# scripts/format.sh [--check] [--install] [FILE...]
#
# Formats the C++ files (all of them, or those given) by .clang-format. With --check nothing is changed: it prints the first
# place of each file that would be, and ends with 1 if there is one.
#
# It needs version 14 of clang-format (Debian's package clang-format-14), since other versions break lines elsewhere. --install
# installs it where it is missing. Where it is still missing, --check is skipped with a note and ends with 0.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly package=clang-format-14
check=() install="" files=()
while (($# > 0)); do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --check) check=(--dry-run -Werror -ferror-limit=1); shift ;;
    --install) install=1; shift ;;
    -*) stop "unknown option $1: see $(basename "$0") --help" ;;
    *) files+=("$(cd "$caller_dir" && realpath "$1")"); shift ;;
  esac
done

# Sets `formatter` to the program, to nothing where there is none of the right version.
find_formatter() {
  local name
  formatter=""
  for name in clang-format-14 clang-format; do
    if command -v "$name" > /dev/null && [[ $("$name" --version) == *"version 14."* ]]; then
      formatter=$name
      return
    fi
  done
}

find_formatter
if [[ -z $formatter && -n $install && ${EMEND_SKIP_PACKAGES:-} != 1 ]] && command -v apt-get > /dev/null; then
  (apt_install "$package") || true # it says itself what went wrong
  find_formatter
fi
if [[ -z $formatter ]]; then
  ((${#check[@]} > 0)) || stop "clang-format 14 is needed (Debian's package $package)"
  say "format check skipped: there is no clang-format 14 (Debian's package $package)"
  exit 0
fi

if ((${#files[@]} == 0)); then
  mapfile -t files < <(find include src editors eval datasets tests examples \( -name '*.h' -o -name '*.cpp' -o -name '*.c' \) | sort)
fi
mode=(-i) failure="clang-format failed: its message is above"
if ((${#check[@]} > 0)); then
  mode=("${check[@]}") failure="some files are not as .clang-format says (above, the first place of each); scripts/format.sh formats them"
fi
printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 20 "$formatter" "${mode[@]}" || stop "$failure"
