// A fuzz target without a fuzzer: NAME_replay FOLDER... [--mutations N] feeds every file of the folders, cuts
// of each, and N changed forms of each that are the same in every run.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "read_input.h"

namespace emend::fuzz {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> read_folders(const std::vector<fs::path>& folders) {
  std::vector<fs::path> paths;
  for (const fs::path& folder : folders) {
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const fs::path& path : paths) inputs.push_back(read_file(path));
  return inputs;
}

// What a careless or hostile hand does: other bytes, bytes doubled or taken out, large numbers, ends of
// another file.
class Mutator {
 public:
  Mutator(std::vector<std::string> inputs, std::uint64_t stream)
      : inputs_(std::move(inputs)), random_(0, stream) {}

  std::string changed(std::string text) {
    const std::uint64_t changes = 1 + draw(4);
    for (std::uint64_t i = 0; i < changes; ++i) change(text);
    return text;
  }

 private:
  std::uint64_t draw(std::uint64_t below) { return random_.below(index_++, below); }

  void change(std::string& text) {
    const std::size_t at = text.empty() ? 0 : draw(text.size());
    const std::size_t length = std::min<std::size_t>(1 + draw(16), text.size() - at);
    switch (draw(7)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(draw(256)));
        break;
      case 3: {
        const std::string& other = inputs_[draw(inputs_.size())];
        text = text.substr(0, at) + other.substr(std::min(at, other.size()));
        break;
      }
      case 4:
        for (std::size_t i = 0; i < std::min<std::size_t>(8, text.size() - at); ++i) text[at + i] = '\xFF';
        break;
      case 5:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << draw(8)));
        break;
      default:
        if (!text.empty()) text[at] = "0129-+eE.\"{}[]:, \n\0"[draw(19)];
        break;
    }
  }

  std::vector<std::string> inputs_;
  Random random_;
  std::uint64_t index_ = 0;
};

int replay(const std::vector<fs::path>& folders, std::uint64_t mutations) {
  constexpr std::size_t kCuts = 64;
  const std::vector<std::string> inputs = read_folders(folders);
  if (inputs.empty()) {
    std::cerr << "no inputs in the folders\n";
    return 1;
  }
  std::size_t taken = 0, tried = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& input = inputs[i];
    taken += try_input(input) ? 1 : 0;
    for (std::size_t cut = 0; cut < kCuts; ++cut)
      try_input(std::string_view(input).substr(0, input.size() * cut / kCuts));
    Mutator mutator(inputs, i);
    for (std::uint64_t m = 0; m < mutations; ++m) try_input(mutator.changed(input));
    tried += 1 + kCuts + mutations;
  }
  std::cout << inputs.size() << " inputs, " << taken << " of them taken; " << tried
            << " tried with cuts and changes\n";
  return taken > 0 ? 0 : 1;  // seeds that are all refused reach nothing
}

}  // namespace
}  // namespace emend::fuzz

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> folders;
  std::uint64_t mutations = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--mutations" && i + 1 < argc)
      mutations = std::strtoull(argv[++i], nullptr, 10);
    else
      folders.emplace_back(argv[i]);
  }
  return emend::fuzz::replay(folders, mutations);
}
