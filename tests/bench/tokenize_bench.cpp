// How fast the patterns of tokenizers cut a text: all matches of the patterns of GPT-2, Llama 3 and Qwen 2
// (gpt2, llama3 and qwen2 in tests/data/tokenizers), on one thread, in MB per second of processor time, the
// best of five runs. No tokens are made.
//
//   tokenize_bench [TEXT_FILE]      (without a file: docs/*.md of this project)
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "bench/stopwatch.h"
#include "text/patterns.h"
#include "text/regex.h"

namespace {

using namespace emend;
namespace fs = std::filesystem;

constexpr int kRuns = 5;

std::vector<std::string> read_texts(int argc, char** argv) {
  if (argc > 1) return {read_text_file(argv[1])};
  std::vector<std::string> texts;
  for (const auto& entry : fs::directory_iterator(fs::path(EMEND_SOURCE_DIR) / "docs"))
    if (entry.path().extension() == ".md") texts.push_back(read_text_file(entry.path()));
  return texts;
}

std::size_t count_bytes(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

void measure(const char* name, std::string_view pattern, const std::vector<std::string>& texts) {
  const text::Regex regex{std::string(pattern), name};
  double least = 1e30;
  std::size_t pieces = 0;
  for (int run = 0; run < kRuns; ++run) {
    pieces = 0;
    const auto split = [&] {
      text::RegexMatcher matcher(regex);
      for (const std::string& text : texts) pieces += matcher.find_all(text).size();
    };
    least = std::min(least, bench::seconds_of(split).processor);
  }
  std::printf("%-8s %10.1f %12zu\n", name, 1e-6 * static_cast<double>(count_bytes(texts)) / least, pieces);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> texts = read_texts(argc, argv);
    std::printf("%.2f MB of text\n%-8s %10s %12s\n", 1e-6 * static_cast<double>(count_bytes(texts)),
                "pattern", "MB/s", "pieces");
    measure("gpt2", text::kGpt2Pattern, texts);
    measure("llama3", text::kLlama3Pattern, texts);
    measure("qwen2", text::kQwen2Pattern, texts);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenize_bench: %s\n", error.what());
    return 1;
  }
}
