// Facts that analyses of cells and layers ask a model about: one of the command line, or a file of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/memory_knowledge.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct FactQuestions {
  std::string prompt, answer;  // answer empty: the model's likeliest next token
  std::vector<std::string> paraphrases;
  std::filesystem::path facts;  // instead of these
  std::int64_t limit = 0;       // only the first ones of the file that the model answers as expected; 0: all
};

// The fact asked for, or those of the file: an edit file (.yaml, .yml; the answer is `was`), or JSON or JSON
// lines with `prompt`, the answer as `answer`, `attribute` or `was`, `paraphrases` if there are any, and an
// id as `id` or `known_id` (else the number). Throws Error: kUsage for both or neither; kConfig and kFormat
// naming file, record and field; kIo.
std::vector<KnowledgeFact> read_fact_questions(const FactQuestions& questions);

// Those whose answer begins with the model's likeliest next token, the first `limit` of them (0: all). How
// many are left out is a note. Facts without an answer stay. Throws Error(kConfig) if none is left.
std::vector<KnowledgeFact> known_facts(const Model& model, std::vector<KnowledgeFact> facts,
                                       const std::string& bos, std::int64_t limit, Progress& progress);

}  // namespace emend
