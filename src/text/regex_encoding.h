// UTF-8 for Oniguruma with the character classes of Unicode 16, whichever tables the installed library has.
#pragma once

#include <oniguruma.h>

namespace emend::text {

// To be given to onig_new. Made, and Oniguruma initialised, at the first call; it lives as long as the
// program. The classes (`\p{L}`, `\w`, `[[:alpha:]]`, ...) are those that Oniguruma 6.9.10, the engine inside
// `tokenizers`, has. Not replaced: case pairs that are newer than the library's tables, `\X`, and names of
// scripts that the library does not know (the pattern does not compile).
OnigEncoding regex_encoding();

}  // namespace emend::text
