#!/usr/bin/env bash
# findings/fmt_shadowed_by_libtorch.sh
#
# Packages: torch 2.13.0 (PyPI). From the distribution: g++, and fmt of another major version than 12
# (Debian 12: g++ 12.2.0, libfmt-dev 9.1.0).
#
# The include folder of the torch wheel holds the headers of fmt 12.1.0. No library of the wheel exports
# fmt's functions. A program that includes <fmt/core.h> with this folder searched first gets these headers
# in place of the distribution's:
#   - linked with the distribution's libfmt, it fails: "undefined reference to `fmt::v12::vformat";
#     libfmt 9 has fmt::v9
#   - with -DFMT_HEADER_ONLY it builds and runs without a word, with fmt 12
# -isystem torch/include is enough for that, because the compiler searches its own system folders after all
# -isystem folders. The surprise: -I/usr/include in front of it changes nothing. GCC leaves out an -I folder
# that is a system folder, and so the distribution's headers stay last. Two ways help: a folder of one's own
# that holds only a link to the distribution's fmt, before torch's folder, or -idirafter for torch's folder.
#
# Output (Debian 12, x86-64; the numbers are FMT_VERSION):
#   no folder of torch                                   90100, links, runs
#   -isystem torch                                       120100, undefined reference to fmt::v12::vformat
#   -I/usr/include -isystem torch                        120100, undefined reference to fmt::v12::vformat
#   -isystem torch -DFMT_HEADER_ONLY                     120100, links, runs
#   -isystem torch -isystem own                          120100, undefined reference to fmt::v12::vformat
#   -isystem own -isystem torch                          90100, links, runs
#   -idirafter torch                                     90100, links, runs
#
# Exits with 1 if this changed, with 2 if a package is missing.

set -euo pipefail
export LC_ALL=C  # the linker's messages in English

missing() { printf 'missing: %s\n' "$1" >&2; exit 2; }
changed() { printf 'CHANGED: %s\n' "$1" >&2; exit 1; }

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

for program in python3 g++ nm; do
  command -v "$program" > /dev/null || missing "$program"
done

cat > tiny.cpp << 'CPP'
#include <fmt/core.h>
#include <cstdio>
#include <string>
int main() {
  const std::string text = fmt::format("{}", FMT_VERSION);
  std::puts(text.c_str());
}
CPP

# Path of the fmt/core.h that is read with these compiler flags.
header() {
  g++ -std=c++20 "$@" -E tiny.cpp 2> /dev/null | sed -n 's|^# 1 "\(.*/fmt/core\.h\)".*|\1|p' | head -n 1
}

system_header=$(header) || true
[[ -n $system_header ]] || missing "the headers of fmt (Debian: libfmt-dev)"
system_include=${system_header%/fmt/core.h}
g++ -std=c++20 tiny.cpp -lfmt -o tiny || missing "libfmt (Debian: libfmt-dev)"
system_version=$(./tiny)
((system_version / 10000 != 12)) || missing "a fmt of another major version than 12 (found $system_version)"

python3 -m venv venv
venv/bin/pip install --quiet --no-deps torch==2.13.0
torch=$(echo "$PWD"/venv/lib/python3*/site-packages/torch)
grep -q '#define FMT_VERSION 120100' "$torch/include/fmt/base.h" || changed "torch's own fmt is not 12.1.0"
for library in "$torch"/lib/*.so; do
  ! nm -DC --defined-only "$library" | grep 'fmt::v[0-9]*::vformat' ||
    changed "$library exports fmt's functions"
done

# check NAME EXPECTED FLAG...: EXPECTED is "VERSION, links, runs" or "VERSION, undefined reference to SYMBOL".
check() {
  local name=$1 expected=$2 version seen symbol
  shift 2
  version=$(printf '#include <fmt/core.h>\nFMT_VERSION\n' | g++ -std=c++20 "$@" -x c++ -E - | tail -n 1)
  if g++ -std=c++20 "$@" tiny.cpp -lfmt -o tiny 2> errors; then
    [[ $(./tiny) == "$version" ]] || changed "$name: the program prints $(./tiny), its headers say $version"
    seen="$version, links, runs"
  else
    symbol=$(sed -n 's/.*undefined reference to `\(fmt::v[0-9]*::vformat\).*/\1/p' errors | head -n 1)
    seen="$version, undefined reference to $symbol"
  fi
  printf '%-52s %s\n' "$name" "$seen"
  [[ $seen == "$expected" ]] || { cat errors >&2; changed "$name: expected '$expected'"; }
}

mkdir own
ln -s "$system_include/fmt" own/fmt
readonly theirs="$torch/include"
readonly wrong="120100, undefined reference to fmt::v12::vformat"
readonly right="$system_version, links, runs"

check "no folder of torch" "$right"
check "-isystem torch" "$wrong" -isystem "$theirs"
check "-I$system_include -isystem torch" "$wrong" "-I$system_include" -isystem "$theirs"
check "-isystem torch -DFMT_HEADER_ONLY" "120100, links, runs" -isystem "$theirs" -DFMT_HEADER_ONLY
check "-isystem torch -isystem own" "$wrong" -isystem "$theirs" -isystem own
check "-isystem own -isystem torch" "$right" -isystem own -isystem "$theirs"
check "-idirafter torch" "$right" -idirafter "$theirs"
echo "as stated"
