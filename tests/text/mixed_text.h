// A megabyte of mixed text in documents of about 4,096 bytes: the recorded texts, drawn by a fixed rule that
// tools/fixtures/mixed_text.py has too.
#pragma once

#include <string>
#include <vector>

namespace emend::test {

// The recorded texts that are UTF-8.
std::vector<std::string> valid_texts();
std::vector<std::string> mixed_text();

}  // namespace emend::test
