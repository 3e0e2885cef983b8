#!/usr/bin/env bash
# findings/libtorch_exports_libstdcxx.sh
#
# Packages: torch 2.13.0 (PyPI; seen with the build for the CPU, x86-64). From the distribution: g++ and
# binutils (Debian 12: g++ 12.2.0, libstdc++.so.6.0.30).
#
# libtorch_cpu.so contains code of libstdc++ that was linked in statically and exports it: 129 functions of
# std::filesystem, among them path::operator/=, without a symbol version. A program that is linked in the
# usual order (libtorch first, then libstdc++, which g++ adds last) takes these functions from
# libtorch_cpu.so and not from the system's libstdc++.so.6, even if it calls no function of torch. Its
# references lose the version GLIBCXX_3.4.26, so nothing warns. libtorch's code is that of GCC 13; the
# headers are those of the compiler that builds the program. Crashes were seen with a newer compiler's
# inline code against these functions.
#
# The export is known (pytorch issue 133437). Some symbols, such as recursive_directory_iterator::depth,
# were made weak since; this does not help: the dynamic linker does not prefer a strong symbol to a weak
# one, it takes the first that it finds. Others, such as path::operator/=, are still strong. A way around
# it, shown at the end: name -lstdc++ before libtorch. Then the references keep their version and bind to
# the system's library.
#
# Output (Debian 12; T is a strong function, W a weak one):
#   libtorch_cpu.so exports 129 functions of std::filesystem
#   path::operator/=                        exported as T, default visibility, no version
#   recursive_directory_iterator::depth     exported as W, default visibility, no version
#   empty program, --as-needed -ltorch_cpu  does not need libtorch_cpu.so
#   without libtorch
#     path::operator/=                      GLIBCXX_3.4.26, bound to libstdc++.so.6
#     recursive_directory_iterator::depth   GLIBCXX_3.4.26, bound to libstdc++.so.6
#   --as-needed -ltorch_cpu
#     path::operator/=                      no version, bound to libtorch_cpu.so
#     recursive_directory_iterator::depth   no version, bound to libtorch_cpu.so
#   -lstdc++ -ltorch_cpu
#     path::operator/=                      GLIBCXX_3.4.26, bound to libstdc++.so.6
#     recursive_directory_iterator::depth   GLIBCXX_3.4.26, bound to libstdc++.so.6
#
# Exits with 1 if this changed, with 2 if a program is missing. The functions are only bound, never called.

set -euo pipefail
export LC_ALL=C  # messages in English

missing() { printf 'missing: %s\n' "$1" >&2; exit 2; }
changed() { printf 'CHANGED: %s\n' "$1" >&2; exit 1; }

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

for program in python3 g++ nm readelf; do
  command -v "$program" > /dev/null || missing "$program"
done

python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0
lib=$(echo "$PWD"/venv/lib/python3*/site-packages/torch/lib)

readonly append=_ZNSt10filesystem7__cxx114pathdVERKS1_
readonly depth=_ZNKSt10filesystem7__cxx1128recursive_directory_iterator5depthEv
declare -A title=([$append]="path::operator/=" [$depth]="recursive_directory_iterator::depth")

# expect TEXT SEEN EXPECTED
expect() {
  printf '%-40s%s\n' "$1" "$2"
  [[ $2 == "$3" ]] || changed "$1: expected '$3'"
}

# exported SYMBOL: how libtorch_cpu.so exports it.
exported() {
  local kind visibility version="a version"
  kind=$(awk -v name="$1" '$3 ~ "^" name "(@|$)" { print $2 }' symbols)
  visibility=$(awk -v name="$1" '$8 ~ "^" name "(@|$)" { print tolower($6) }' dynamic)
  ! grep -q " $1\$" symbols || version="no version"
  printf 'exported as %s, %s visibility, %s' "$kind" "$visibility" "$version"
}

nm -D --defined-only "$lib/libtorch_cpu.so" > symbols
readelf --wide --dyn-syms "$lib/libtorch_cpu.so" > dynamic
count=$(nm -DC --defined-only "$lib/libtorch_cpu.so" | grep -c ' [TW] std::filesystem' || true)
echo "libtorch_cpu.so exports $count functions of std::filesystem"
((count == 129)) || changed "expected 129 functions"
expect "${title[$append]}" "$(exported "$append")" "exported as T, default visibility, no version"
expect "${title[$depth]}" "$(exported "$depth")" "exported as W, default visibility, no version"

echo 'int main() {}' > empty.cpp
cat > tiny.cpp << 'CPP'
#include <filesystem>
#include <cstdio>
int main(int argc, char** argv) {
  if (argc < 3) return 0;  // run without arguments: nothing below is called
  const std::filesystem::path name = argv[2];
  std::filesystem::path folder = argv[1];
  folder /= name;
  const std::filesystem::recursive_directory_iterator entries(folder);
  std::printf("%d\n", entries.depth());
}
CPP
torch=(-L"$lib" -ltorch_cpu -lc10 "-Wl,-rpath,$lib" -Wl,--allow-shlib-undefined)

g++ -std=c++20 empty.cpp -o empty -Wl,--as-needed "${torch[@]}"
if readelf -d empty | grep -q 'NEEDED.*libtorch_cpu'; then needs="needs"; else needs="does not need"; fi
expect "empty program, --as-needed -ltorch_cpu" "$needs libtorch_cpu.so" "does not need libtorch_cpu.so"

# bound NAME VERSION LIBRARY FLAG...: builds tiny.cpp so and looks where the two functions come from.
bound() {
  local name=$1 expected="$2, bound to $3" symbol version library
  shift 3
  g++ -std=c++20 tiny.cpp -o tiny "$@"
  LD_BIND_NOW=1 LD_DEBUG=bindings ./tiny 2> bindings
  echo "$name"
  for symbol in "$append" "$depth"; do
    version=$(nm -D tiny | sed -n "s/.* $symbol@*//p")
    library=$(sed -n "s|.*binding file ./tiny .* to \([^ ]*\) .*\`$symbol'.*|\1|p" bindings)
    expect "  ${title[$symbol]}" "${version:-no version}, bound to ${library##*/}" "$expected"
  done
}

bound "without libtorch" GLIBCXX_3.4.26 libstdc++.so.6
bound "--as-needed -ltorch_cpu" "no version" libtorch_cpu.so -Wl,--as-needed "${torch[@]}"
bound "-lstdc++ -ltorch_cpu" GLIBCXX_3.4.26 libstdc++.so.6 -Wl,--no-as-needed -lstdc++ "${torch[@]}"
echo "as stated"
