// Requests of the invented world, for models of any shape that read its tokenizer's ids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "emend/records.h"
#include "emend/tokenizer.h"

namespace emend::bench {

// The first `count` records of the invented world, in the order of the file.
inline std::vector<EditRequest> world_requests(std::size_t count) {
  std::vector<EditRequest> requests;
  std::ifstream lines(std::string(EMEND_TEST_DATA) + "/world/edits.jsonl");
  for (std::string line; requests.size() < count && std::getline(lines, line);) {
    const nlohmann::json record = nlohmann::json::parse(line);
    EditRequest request;
    request.id = record["id"];
    request.prompt = record["prompt"];
    request.subject = record["subject"];
    request.subject_begin = request.prompt.find(request.subject);
    request.target = record["target"];
    request.was = record["was"];
    requests.push_back(std::move(request));
  }
  return requests;
}

inline constexpr std::size_t kRealPromptTokens = 10;

// Those whose prompt is nearest to ten tokens long, BOS included.
inline std::vector<EditRequest> requests_of_ten_tokens(const Tokenizer& tokenizer, std::size_t count) {
  std::vector<std::pair<std::size_t, EditRequest>> found;
  for (EditRequest& request : world_requests(static_cast<std::size_t>(-1))) {
    const std::size_t length = tokenizer.encode(request.prompt, SpecialTokens::kNone).ids.size() + 1;
    found.emplace_back(std::max(length, kRealPromptTokens) - std::min(length, kRealPromptTokens),
                       std::move(request));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<EditRequest> requests;
  for (std::size_t i = 0; i < count && i < found.size(); ++i) requests.push_back(std::move(found[i].second));
  return requests;
}

}  // namespace emend::bench
