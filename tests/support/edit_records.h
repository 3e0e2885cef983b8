// Edit records (one JSON object a line: id, relation, prompt, subject, target, was, paraphrases, neighbours)
// for scores and benchmarks.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend::test {

// The records that are known to the models, in file order, at most `limit`.
inline std::vector<EditRequest> read_edit_records(const std::string& path, std::size_t limit) {
  std::vector<EditRequest> requests;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line) && requests.size() < limit;) {
    const auto json = nlohmann::json::parse(line);
    if (!json.value("known", true)) continue;
    EditRequest request;
    request.id = json.at("id").get<std::string>();
    request.prompt = json.at("prompt").get<std::string>();
    request.subject = json.at("subject").get<std::string>();
    request.subject_begin = request.prompt.find(request.subject);
    request.target = json.at("target").get<std::string>();
    request.was = json.at("was").get<std::string>();
    for (const auto& paraphrase : json.at("paraphrases"))
      request.paraphrases.push_back(paraphrase.get<std::string>());
    for (const auto& neighbour : json.at("neighbours"))
      request.neighbours.push_back(
          {neighbour.at("prompt").get<std::string>(), neighbour.at("answer").get<std::string>()});
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace emend::test
