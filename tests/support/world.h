// The two models of the invented world (tests/data/world) and records of edits of it.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "emend/model.h"
#include "emend/statistics_run.h"
#include "emend/trace_fact.h"
#include "support/edit_records.h"
#include "support/model_files.h"

namespace emend::test {

inline Model load_world(const std::string& shape) {
  return Model::load(data_path("world/" + shape));
}

inline std::vector<EditRequest> world_edits(std::size_t count) {
  return read_edit_records(data_path("world/edits.jsonl"), count);
}

// The same as facts to be traced: their answers are those before the edit.
inline std::vector<TraceFact> world_facts(std::size_t count) {
  std::vector<TraceFact> facts;
  for (const EditRequest& request : world_edits(count))
    facts.push_back({request.id, request.prompt, request.subject, request.subject_begin, request.was});
  return facts;
}

// C of one layer from text that the model writes itself, collected once a program; `tokens` 0: the default
// number. The tensors are shared: put others in their place instead of writing into them.
inline Statistics world_statistics(const Model& model, int layer, std::int64_t tokens = 0) {
  static std::map<std::tuple<std::string, int, std::int64_t>, Statistics> collected;
  Statistics& kept = collected[{model.path().string(), layer, tokens}];
  if (kept.layers.empty()) {
    SilentProgress silent;
    StatisticsOptions options;
    options.layers = {layer};
    options.prefix = model.tokenizer().automatic_prefix();
    options.tokens = tokens;
    kept = collect_statistics(model, options, silent);
  }
  return kept;
}

inline EditRequest request_of(const std::string& id, const std::string& prompt, const std::string& subject,
                              const std::string& target) {
  EditRequest request;
  request.id = id;
  request.prompt = prompt;
  request.subject = subject;
  request.subject_begin = prompt.find(subject);
  request.target = target;
  return request;
}

}  // namespace emend::test
