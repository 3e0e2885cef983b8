#!/usr/bin/env bash
# findings/two_dimensions_from_zero.sh
#
# Packages: torch 2.11.0 and 2.13.0 (PyPI; headers alone are used). From the distribution: g++ (Debian 12: 12.2.0).
#
# Code against libtorch that sums over two dimensions, t.sum({0, 1}), compiles with 2.13.0 and not with 2.11.0:
# "call of overloaded 'sum(<brace-enclosed initializer list>)' is ambiguous". t.sum({1, 0}), t.sum({1, 2}), t.sum({0})
# and t.sum({0, 1, 2}) compile with both. 2.11.0 has a second sum, for names of dimensions; its list of names can be
# made from a pointer and a length, and of all integers a literal 0 alone is a pointer. So {0, n} is a null pointer with n
# names, as good a match as a list of two dimensions.
#
# So: a library that allows more than one libtorch writes at::IntArrayRef{0, 1}; the newest one alone does not show it.
#
# Output:
#   2.11.0   {0, 1} ambiguous   {0, 2} ambiguous   {1, 0} compiles   {1, 2} compiles   {0} compiles   {0, 1, 2} compiles
#   2.13.0   {0, 1} compiles   {0, 2} compiles   {1, 0} compiles   {1, 2} compiles   {0} compiles   {0, 1, 2} compiles
#   with at::IntArrayRef{0, 1}: compiles, compiles
#
# Exits with 1 if this changed, with 2 if a program is missing.

set -euo pipefail

for program in python3 g++ unzip; do
  command -v "$program" > /dev/null || { echo "missing: $program" >&2; exit 2; }
done
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

python3 -m venv venv
cat > sum.cpp << 'CPP'
#include <ATen/ATen.h>
at::Tensor sum_over(const at::Tensor& t) { return t.sum(DIMENSIONS); }
CPP

# outcome VERSION DIMENSIONS
outcome() {
  if g++ -std=c++20 -fsyntax-only -D"DIMENSIONS=$2" -isystem "$1/torch/include" sum.cpp 2> errors; then
    echo compiles
  elif grep -q "call of overloaded .*sum.* is ambiguous" errors; then
    echo ambiguous
  else
    head -n 3 errors >&2
    echo "another error"
  fi
}

seen=""
wrapped=""
for pinned in torch==2.11.0 torch==2.13.0; do
  version=${pinned#torch==}
  venv/bin/pip download --quiet --no-deps --dest wheel "$pinned"
  unzip -q wheel/torch-"$version"*.whl 'torch/include/ATen/*' 'torch/include/c10/*' 'torch/include/torch/*' -d "$version"
  rm wheel/*
  line=$version
  for dimensions in '{0, 1}' '{0, 2}' '{1, 0}' '{1, 2}' '{0}' '{0, 1, 2}'; do
    line+="   $dimensions $(outcome "$version" "$dimensions")"
  done
  echo "$line"
  seen+="$line"$'\n'
  wrapped+="${wrapped:+, }$(outcome "$version" 'at::IntArrayRef{0, 1}')"
done
echo "with at::IntArrayRef{0, 1}: $wrapped"

all="{1, 0} compiles   {1, 2} compiles   {0} compiles   {0, 1, 2} compiles"
expected="2.11.0   {0, 1} ambiguous   {0, 2} ambiguous   $all"$'\n'
expected+="2.13.0   {0, 1} compiles   {0, 2} compiles   $all"$'\n'
[[ $seen == "$expected" && $wrapped == "compiles, compiles" ]] || { echo "CHANGED" >&2; exit 1; }
echo "as stated"
