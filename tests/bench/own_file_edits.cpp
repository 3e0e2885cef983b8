// Single edits as a GGUF file keeps them: scores on float32 weights, and on the weights that `patch apply
// --type own` writes, rounded to the file's own quantised types with error feedback.
//
//   own_file_edits MODEL RECORDS STATISTICS HALF LAYER[,LAYER...] [NAME=VALUE,NAME=VALUE]...
//
// HALF of the records: even (0, 2, ...), odd, or all; a setting may be chosen on one half and shown on the
// other. Each further argument is one row of the table ("-": the defaults of rome). Three names are no
// options of the method: protect=auto protects the subjects that the model itself names, protect=records
// those of the file's other records with the same wording, and neither the neighbours of a record, which are
// what is measured (unless the model names one); patches=DIR saves a patch of each edit there
// (tools/own_file_edits.py writes them into the real file); weights=own leaves out the scores on float32
// weights. Prints ES, PS, NS in percent (Meng et al. 2022), NS without neighbours
// that are protected, the share of edits whose target is the greedy continuation, the least share of the
// value that arrives, the largest stray change, and seconds of an edit: search and solve, and of processors
// also the search, the solve (the rows up to the layer and the closed form) and the check (the prompt,
// paraphrases and neighbours on the edited weights) apart. The first edit also samples the contexts.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>
#include <utility>

#include "base/search_stage.h"
#include "bench/stopwatch.h"
#include "delivery/stored_weight.h"
#include "emend/checks.h"
#include "emend/editor.h"
#include "emend/editor_cache.h"
#include "emend/judge.h"
#include "emend/patch.h"
#include "emend/statistics.h"
#include "emend/version.h"
#include "emend/write_back.h"
#include "io/element_types.h"
#include "measure/other_subjects.h"
#include "support/edit_records.h"

using namespace emend;

namespace {

struct Setting {
  std::map<std::string, OptionText> options;
  std::string protect;  // auto, records, or nothing
  std::string patches;
  bool float32 = true;  // is scored, too
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

Setting parse_setting(const std::string& text) {
  Setting setting;
  for (const std::string& part : split(text, ',')) {
    const auto at = part.find('=');
    if (at == std::string::npos) continue;
    const std::string name = part.substr(0, at), value = part.substr(at + 1);
    if (name == "protect")
      setting.protect = value;
    else if (name == "patches")
      setting.patches = value;
    else if (name == "weights")
      setting.float32 = value != "own";
    else
      setting.options[name] = {value, "command line"};
  }
  return setting;
}

std::vector<EditRequest> half_of(const std::vector<EditRequest>& all, const std::string& half) {
  std::vector<EditRequest> some;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (half == "all" || (i % 2 == 1) == (half == "odd")) some.push_back(all[i]);
  return some;
}

// Only the subjects that the model itself names.
Protection named_by_the_model(const Model& model, std::vector<EditRequest> requests,
                              const CheckOptions& checks) {
  for (EditRequest& request : requests) {
    request.neighbours.clear();
    request.bleed.clear();
  }
  std::vector<std::string> unnamed;
  const Protection found =
      find_protection(model, requests, Protect::kAuto, /*strict=*/false, checks, unnamed);
  for (const std::string& id : unnamed) std::printf("%s: the model names no other subject\n", id.c_str());
  return found;
}

// The subjects of other records in the same place of the same words, but for a record's own neighbours.
Protection other_records(const std::vector<EditRequest>& requests, const std::vector<EditRequest>& all) {
  Protection protection;
  for (const EditRequest& request : requests) {
    ProtectedTexts& texts = protection.of[request.id];
    for (const EditRequest& other : all) {
      const std::string prompt = prompt_about(request, other.subject);
      const auto is_asked = [&](const Neighbour& neighbour) { return neighbour.prompt == prompt; };
      if (other.subject == request.subject || prompt != other.prompt ||
          std::ranges::any_of(request.neighbours, is_asked))
        continue;
      texts.given.push_back(text_about(request, other.subject));
    }
  }
  return protection;
}

// What the file will hold, as the edit that it amounts to: W' - W for each weight.
struct Stored {
  Edit edit;
  double least_share = 1, most_stray = 0;
};

Stored as_stored(const Model& model, const Edit& edit, const RoundingWeights& rounding) {
  Patch patch;
  patch.edit = edit;
  const WritePlan plan = plan_write(model, {patch}, "own", rounding);
  Stored stored;
  stored.edit.facts = edit.facts;
  const auto file = open_checkpoint(model.path());
  for (const PlannedTensor& tensor : plan.tensors) {
    const TensorInfo& info = *file->find(tensor.name);
    const at::Tensor before = read_weight(*file, info, false);
    const at::Tensor after =
        decode_weight(tensor.bytes, element_type(tensor.new_type), before.size(0), before.size(1), false);
    stored.edit.changes.push_back(
        WeightChange::dense(tensor.weight, (after.to(at::kDouble) - before).to(at::kFloat)));
    if (!tensor.rounding) continue;
    stored.least_share = std::min(stored.least_share, tensor.rounding->worst_share);
    stored.most_stray = std::max(stored.most_stray, tensor.rounding->stray);
  }
  return stored;
}

void save(const Edit& edit, const Model& model, const EditorContext& context, const std::string& folder) {
  if (edit.changes.empty()) return;
  Patch patch;
  patch.edit = edit;
  patch.emend_version = emend_version();
  patch.base_name = model.path().filename().string();
  patch.bos = "auto";
  patch.prefix = context.prefix;
  patch.passed = true;
  std::filesystem::create_directories(folder);
  save_patch(patch, folder + "/" + edit.facts.front().request.id + ".safetensors");
}

// Processor seconds of the searches of an edit.
class SearchSeconds : public Progress, public SearchWatcher {
 public:
  void search_begins() override { is_search_ = true; }
  void begin(std::string_view, std::int64_t, std::string_view) override {
    if (is_search_) begun_ = bench::processor_seconds();
  }
  void update(std::int64_t, std::string_view) override {}
  void end() override {
    if (is_search_) seconds_ += bench::processor_seconds() - begun_;
    is_search_ = false;
  }
  double seconds() const { return seconds_; }

 private:
  bool is_search_ = false;
  double begun_ = 0, seconds_ = 0;
};

// Means over edits of the shares of their prompts.
class Tally {
 public:
  // Measures the model with `edit` on it; `as_searched` says which keys were protected.
  void add(Model& model, const Edit& edit, const Edit& as_searched, const CheckOptions& checks) {
    SilentProgress silent;
    const EditRequest& request = edit.facts.front().request;
    const ScopedEdit scope(model, edit.changes);
    const FactState state = measure_facts(model, {request}, checks, silent).front();
    const FactVerdict verdict = judge(request, state);
    const std::set<std::string> held = protected_prompts(as_searched);
    efficacy_.add(judge({request.target, request.was, state.prompt.p_target, state.prompt.p_was,
                         state.prompt.argmax_target})
                      .likelier);
    argmax_.add(state.prompt.argmax_target);
    if (!verdict.holds) failures_.push_back(request.id);
    Mean paraphrases, neighbours, unprotected;
    for (const bool holds : verdict.paraphrases) paraphrases.add(holds);
    for (std::size_t i = 0; i < verdict.neighbours.size(); ++i) {
      const bool kept = verdict.neighbours[i].value_or(false);
      neighbours.add(kept);
      if (!held.contains(request.neighbours[i].prompt)) unprotected.add(kept);
      if (!kept) lost_.push_back(request.id + ": " + request.neighbours[i].prompt);
    }
    paraphrase_.add(paraphrases);
    neighbourhood_.add(neighbours);
    unprotected_.add(unprotected);
    asked_unprotected_ += unprotected.count;
  }

  void print(const char* weights) const {
    std::printf("  %-8s %6.2f %6.2f %6.2f %7.2f (%d) %6.2f", weights, 100 * efficacy_.value(),
                100 * paraphrase_.value(), 100 * neighbourhood_.value(), 100 * unprotected_.value(),
                asked_unprotected_, 100 * argmax_.value());
    for (const std::string& id : failures_) std::printf(" %s", id.c_str());
    std::printf("\n");
    for (const std::string& prompt : lost_) std::printf("    lost: %s\n", prompt.c_str());
    std::fflush(stdout);
  }

 private:
  struct Mean {
    double sum = 0;
    int count = 0;
    void add(double value) { sum += value, ++count; }
    void add(const Mean& part) {
      if (part.count > 0) add(part.value());
    }
    double value() const { return sum / count; }
  };

  static std::set<std::string> protected_prompts(const Edit& edit) {
    std::set<std::string> prompts;
    const FactRecord& fact = edit.facts.front();
    for (const FactPart& part : fact.parts)
      for (const ProtectedKey& key : part.protected_keys)
        prompts.insert(prompt_about(fact.request, key.subject));
    return prompts;
  }

  Mean efficacy_, argmax_, paraphrase_, neighbourhood_, unprotected_;
  int asked_unprotected_ = 0;
  std::vector<std::string> failures_, lost_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 6) {
    std::fprintf(
        stderr, "usage: own_file_edits MODEL RECORDS STATISTICS HALF LAYER[,LAYER...] [NAME=VALUE,...]...\n");
    return argc == 1 ? 0 : 2;  // scripts/bench.sh runs all programs without arguments
  }
  SilentProgress silent;
  Model model = Model::load(argv[1], {}, silent);
  const std::vector<EditRequest> all = test::read_edit_records(argv[2], 100000);
  const std::vector<EditRequest> requests = half_of(all, argv[4]);
  EditorCache cache;
  EditorContext context;
  context.prefix = model.tokenizer().automatic_prefix();
  context.keep_going = true;
  context.cache = &cache;
  std::vector<int> layers;
  for (const std::string& layer : split(argv[5], ',')) layers.push_back(std::stoi(layer));
  const Statistics statistics = load_statistics(model, layers, context.prefix, argv[3]);
  context.statistics = &statistics;
  CheckOptions checks;
  checks.prefix = context.prefix;
  checks.completion_tokens = 1;
  std::vector<std::string> settings(argv + 6, argv + argc);
  if (settings.empty()) settings = {"-"};
  std::printf("%zu edits (%s) of %s\n  weights      ES     PS     NS  unprotected argmax  failed\n",
              requests.size(), argv[4], argv[1]);
  for (const std::string& text : settings) {
    const Setting setting = parse_setting(text);
    const auto editor = make_editor("rome", setting.options);
    Protection protection;
    if (setting.protect == "auto") protection = named_by_the_model(model, requests, checks);
    if (setting.protect == "records") protection = other_records(requests, all);
    context.protection = setting.protect.empty() ? nullptr : &protection;
    for (const int layer : layers) {
      context.layers = {layer};
      std::vector<Edit> edits;
      std::vector<double> wall, processor, search, solve, check;
      for (const EditRequest& request : requests) {
        SearchSeconds searching;
        const bench::Seconds seconds = bench::seconds_of([&] {
          edits.push_back(std::move(editor->edit_each(model, {request}, context, searching).front()));
        });
        wall.push_back(seconds.wall);
        processor.push_back(seconds.processor);
        search.push_back(searching.seconds());
        solve.push_back(seconds.processor - searching.seconds());
      }
      RoundingWeights rounding(LayerMoments{{layer, statistics.layers.at(layer).C}});
      Tally in_memory, in_file;
      double least_share = 1, most_stray = 0, steps = 0, norm = 0, keys = 0;
      for (const Edit& edit : edits) {
        const Stored stored = as_stored(model, edit, rounding);
        least_share = std::min(least_share, stored.least_share);
        most_stray = std::max(most_stray, stored.most_stray);
        steps += edit.facts.front().steps;
        norm += edit.facts.front().relative_norm();
        for (const FactPart& part : edit.facts.front().parts)
          keys += static_cast<double>(part.protected_keys.size());
        if (setting.float32) in_memory.add(model, edit, edit, checks);
        check.push_back(bench::seconds_of([&] { in_file.add(model, stored.edit, edit, checks); }).processor);
        if (!setting.patches.empty()) save(edit, model, context, setting.patches);
      }
      const auto n = static_cast<double>(edits.size());
      std::printf(
          "layer %d, %s: %.1f steps, relative norm %.3f, %.1f keys protected; an edit takes %.2f s, %.2f s "
          "of processors (search %.2f, solve %.2f; check %.2f beside; medians); realised at least %.4f, "
          "stray at most %.3f\n",
          layer, text.c_str(), steps / n, norm / n, keys / n, bench::median(wall), bench::median(processor),
          bench::median(search), bench::median(solve), bench::median(check), least_share, most_stray);
      if (setting.float32) in_memory.print("float32");
      in_file.print("own type");
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "own_file_edits: %s\n", error.what());
  return 1;
}
