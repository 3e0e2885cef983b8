#include "mixed_text.h"

#include "base/utf8.h"
#include "fixtures.h"

namespace emend::test {

std::vector<std::string> valid_texts() {
  std::vector<std::string> valid;
  for (const auto& record : read_records("gpt2"))
    if (!find_invalid_utf8(record.text)) valid.push_back(record.text);
  return valid;
}

std::vector<std::string> mixed_text() {
  const std::vector<std::string> valid = valid_texts();
  const std::vector<std::string> joints = {"", " ", "\n", ". "};
  std::uint64_t state = 20261128;
  const auto append_one = [&](const std::vector<std::string>& choices, std::string& document) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    document += choices[(state >> 33) % choices.size()];
  };
  std::vector<std::string> documents;
  for (std::size_t total = 0; total < 1 << 20; total += documents.back().size()) {
    std::string document;
    while (document.size() < 4096) {
      append_one(valid, document);
      append_one(joints, document);
    }
    documents.push_back(document);
  }
  return documents;
}

}  // namespace emend::test
