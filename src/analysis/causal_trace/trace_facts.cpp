// Many facts: which the model knows, their traces one by one, results kept on disk.
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/causal_trace/fact_steps.h"
#include "analysis/causal_trace/trace_json.h"
#include "analysis/causal_trace/traced_prompt.h"
#include "base/atomic_file.h"
#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/generate.h"

namespace emend {

namespace {

namespace fs = std::filesystem;
using OutJson = nlohmann::ordered_json;

// Greedy answers of a few facts at once.
class Knowledge {
 public:
  Knowledge(const Model& model, const std::vector<TraceFact>& facts, const TraceOptions& options)
      : model_(model), facts_(facts), options_(options) {}

  // Nothing when fact i is known, or no answer is expected.
  std::optional<SkippedFact> unknown(std::size_t i) {
    if (facts_[i].answer.empty()) return std::nullopt;
    while (asked_ <= i) ask();
    return unknown_[i];
  }

 private:
  void ask() {
    constexpr std::size_t kAtOnce = 64;
    const std::size_t begin = asked_, end = std::min(begin + kAtOnce, facts_.size());
    asked_ = end;
    unknown_.resize(end);
    std::vector<TokenIds> prompts, answers;
    std::vector<std::size_t> owner;
    GenerateOptions greedy;
    greedy.max_new = 1;
    greedy.token_budget = options_.token_budget;
    for (std::size_t i = begin; i < end; ++i) {
      if (facts_[i].answer.empty()) continue;
      const trace::TracedPrompt row = trace::prompt_row(model_, facts_[i], options_);
      prompts.push_back(row.ids);
      answers.push_back(trace::answer_ids(model_, facts_[i], options_, row));
      owner.push_back(i);
      greedy.max_new = std::max(greedy.max_new, static_cast<std::int64_t>(answers.back().size()));
    }
    if (prompts.empty()) return;
    const std::vector<TokenIds> said = generate(model_, prompts, greedy);
    for (std::size_t j = 0; j < owner.size(); ++j) {
      const TokenIds start(said[j].begin(), said[j].begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                  answers[j].size(), said[j].size())));
      const TraceFact& fact = facts_[owner[j]];
      if (start != answers[j])
        unknown_[owner[j]] = SkippedFact{fact.id, fact.prompt, fact.subject, fact.answer,
                                         trace::answer_text(model_.tokenizer(), start)};
    }
  }

  const Model& model_;
  const std::vector<TraceFact>& facts_;
  const TraceOptions& options_;
  std::size_t asked_ = 0;
  std::vector<std::optional<SkippedFact>> unknown_;
};

OutJson noise_json(const TraceNoise& noise) {
  return {{"kind", static_cast<int>(noise.kind)},
          {"level", noise.level},
          {"relative", noise.relative},
          {"degrees", noise.degrees},
          {"numpy", noise.numpy}};
}

std::string facts_fingerprint(const std::vector<TraceFact>& facts) {
  Sha256 hash;
  for (const TraceFact& fact : facts) {
    for (const std::string& text : {fact.prompt, fact.subject, fact.answer}) hash.update_field(text);
    hash.update_number(static_cast<std::uint64_t>(fact.subject_begin));
  }
  return hash.hex();
}

// The last bits of a sum depend on the number of threads, which is nobody's setting.
double rounded(double value) {
  constexpr double kDigits = 1e9;
  return std::round(value * kDigits) / kDigits;
}

// All that a fact's result depends on.
OutJson settings_json(const Model& model, const std::vector<TraceFact>& facts, const TraceOptions& options,
                      double sigma) {
  return {{"model", model.fingerprint()},
          {"facts", facts_fingerprint(facts)},
          {"prefix", options.prefix},
          {"chat", options.form == PromptForm::kChat},
          {"noise", noise_json(options.noise)},
          {"sigma", rounded(sigma)},
          {"samples", options.samples},
          {"window", options.window},
          {"knockout_window", options.knockout_window},
          {"parts",
           {options.block_grid, options.window_grids, options.severed, options.knockout,
            options.subject_last_only}},
          {"exact_share", options.exact_share},
          {"estimates", options.estimates},
          {"seed", options.seed}};
}

OutJson skipped_json(const SkippedFact& fact) {
  return {{"id", fact.id},
          {"prompt", fact.prompt},
          {"subject", fact.subject},
          {"answer", fact.answer},
          {"said", fact.said}};
}

SkippedFact skipped_from(const nlohmann::json& json) {
  return {json.at("id"), json.at("prompt"), json.at("subject"), json.at("answer"), json.at("said")};
}

// One file a fact: {"trace": {...}} or {"skipped": {...}}.
class Folder {
 public:
  Folder(const TraceStore& store, const OutJson& settings) : folder_(store.folder) {
    if (folder_.empty()) return;
    const fs::path file = folder_ / "settings.json";
    if (!fs::exists(file)) {
      write_file_atomically(file, settings.dump(1) + "\n");
      return;
    }
    const Json held = read_json_file(file);
    for (const auto& [key, value] : settings.items())
      if (!held.is_object() || !held.contains(key) || held.at(key) != Json(value))
        throw Error(
            ErrorKind::kConfig,
            fmt::format("{} holds a trace with another {} ({}, now {}): give another folder",
                        folder_.string(), quote(key),
                        held.is_object() && held.contains(key) ? held.at(key).dump() : "none", value.dump()));
    if (!store.resume && store.shards == 1)
      throw Error(ErrorKind::kConfig,
                  folder_.string() + " holds results already: the option resume goes on with them");
  }

  // Puts what is there for fact i into the result.
  bool load(std::size_t i, const TraceFact& fact, TraceResult& result) const {
    if (folder_.empty() || !fs::exists(file(i))) return false;
    const std::string source = file(i).string();
    const Json json = read_json_file(file(i));
    try {
      if (json.contains("skipped")) {
        result.skipped.push_back(skipped_from(json.at("skipped")));
        return true;
      }
      result.traces.push_back(trace_from_json(json.at("trace"), source));
    } catch (const Json::exception& error) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: not the trace of a fact: {}; remove it, and it is made anew", source,
                              error.what()));
    }
    if (result.traces.back().prompt != fact.prompt || result.traces.back().subject != fact.subject)
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}: a result of another fact ({}): the facts file has changed", source,
                              quote(result.traces.back().prompt)));
    return true;
  }
  void keep(std::size_t i, const char* kind, const OutJson& json) const {
    if (!folder_.empty()) write_file_atomically(file(i), OutJson{{kind, json}}.dump() + "\n");
  }

 private:
  fs::path file(std::size_t i) const {
    std::string name = std::to_string(i);
    name.insert(0, name.size() < 6 ? 6 - name.size() : 0, '0');
    return folder_ / "facts" / (name + ".json");
  }
  fs::path folder_;
};

}  // namespace

TraceResult trace_facts(const Model& model, const std::vector<TraceFact>& facts, const TraceOptions& options,
                        const TraceStore& store, Progress& progress) {
  check_trace_options(options, model.config());
  for (const TraceFact& fact : facts) trace::prompt_row(model, fact, options);  // throws
  const c10::NoGradGuard no_grad;
  const double sigma = noise_sigma(model, facts);
  const std::vector<std::int64_t> pool = subject_token_pool(model, facts);
  const Folder folder(store, settings_json(model, facts, options, sigma));
  Knowledge knowledge(model, facts, options);
  TraceResult result;
  const auto all = static_cast<std::int64_t>(facts.size());
  const std::int64_t total = store.limit > 0 ? std::min(store.limit, all) : all;
  progress.begin("trace", total, "facts");
  std::int64_t known = 0;  // by this process's knowledge or the folder's: the same
  for (std::size_t i = 0; i < facts.size() && (store.limit == 0 || known < store.limit); ++i) {
    const std::size_t skipped = result.skipped.size();
    if (folder.load(i, facts[i], result)) {
      known += result.skipped.size() == skipped ? 1 : 0;
    } else if (const auto unknown = knowledge.unknown(i)) {
      folder.keep(i, "skipped", skipped_json(*unknown));
      result.skipped.push_back(*unknown);
    } else {
      ++known;
      if (static_cast<std::int64_t>(i) % store.shards != store.shard) {
        ++result.missing;
      } else {
        const std::int64_t done = store.limit > 0 ? known - 1 : static_cast<std::int64_t>(i);
        const auto step = [&] { progress.update(done, ""); };
        result.traces.push_back(trace::trace_fact_in_steps(model, facts[i], options, sigma, pool, i, step));
        folder.keep(i, "trace", trace_json(result.traces.back()));
      }
    }
    progress.update(store.limit > 0 ? known : static_cast<std::int64_t>(i) + 1, "");
  }
  progress.end();
  return result;
}

}  // namespace emend
