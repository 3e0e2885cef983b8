// emend patch drop P ID --out Q, and emend patch merge P... --out Q: a patch made of patches, checked on the
// model.
#include <iostream>
#include <optional>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "cli/patch_measure.h"
#include "emend/edit_run.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"
#include "emend/statistics.h"
#include "pipeline/patch_checks.h"
#include "report/numbers.h"
#include "reports/fact_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

struct ComposeOptions {
  CommonOptions common;
  std::vector<std::string> words;  // patches, or the patch and the id
  std::string out;
};

Parsed parse_compose(const std::string& command, const std::string& synopsis, const std::string& help,
                     int words, const std::vector<std::string>& arguments, ComposeOptions& options) {
  Syntax syntax;
  syntax.command = command;
  syntax.synopsis = synopsis;
  syntax.help = help;
  syntax.unused = {"bos", "seed"};
  syntax.uses_statistics = true;
  syntax.positional = "word";
  syntax.positionals = words;
  syntax.own.add_options()("word", po::value(&options.words))("out", po::value(&options.out)->value_name("Q"),
                                                              "the patch to write");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), command, "--model PATH");
  require_given(!options.out.empty(), command, "--out FILE");
  return Parsed::kRun;
}

// Of the first patch that changes the layer; merge_patches refuses others that differ.
std::string statistics_of(const std::vector<Patch>& patches, int layer) {
  for (const Patch& patch : patches)
    if (const WeightSolve* const solve = patch.edit.solve_of({layer, Role::kMlpDown}))
      return solve->statistics_fingerprint;
  return "";
}

// C of the layers that are solved again. Throws Error(kModel) when it is not what the patches were made with.
LayerMoments load_moments(const Model& model, const std::vector<Patch>& patches, const std::vector<int>& layers,
                          const CommonOptions& common) {
  if (layers.empty()) return {};
  const Patch& patch = patches.front();
  const fs::path folder = common.statistics.empty() ? default_statistics_folder(model, patch.prefix)
                                                    : fs::path(common.statistics);
  LayerMoments moments;
  for (const int layer : layers) {
    const Statistics statistics = load_statistics(model, {layer}, patch.prefix, folder);
    if (statistics.layers.empty())
      throw Error(ErrorKind::kIo, "no statistics of layer " + std::to_string(layer) + " in " +
                                      folder.string() +
                                      ": the other edits are solved again with them; name "
                                      "their folder with --statistics");
    const std::string made_with = statistics_of(patches, layer);
    if (statistics.fingerprint != made_with)
      throw Error(ErrorKind::kModel, folder.string() + ": these statistics of layer " + std::to_string(layer) +
                                         " (fingerprint " + statistics.fingerprint +
                                         ") are not those that the patch was made with (" + made_with + ")");
    moments[layer] = statistics.layers.at(layer).C;
  }
  return moments;
}

// Measures a new patch on its base, as `emend edit` does.
void measure(Model& model, Patch& patch, const CommonOptions& common, Console& console) {
  patch.emend_version = emend_version();
  if (stored_before(patch).empty())
    set_before(patch.edit, measure_patch(model, patch, common.token_budget, console.progress()));
  const std::optional<double> before = held_nll(model, patch, common.token_budget);
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_patch(model, patch, common.token_budget, console.progress());
  set_after(patch.edit, after);
  patch.checks = checks_of(patch, after, before, held_nll(model, patch, common.token_budget));
  patch.passed = all_passed(patch.checks);
  patch.passed = patch.passed && failed_ids(patch.edit).empty();
}

// Measures, writes and tells; returns the exit code.
int finish(Model& model, Patch& patch, const ComposeOptions& options, Console& console) {
  measure(model, patch, options.common, console);
  throw_if_interrupted();
  save_patch(patch, options.out);
  const std::vector<FactRecord>& facts = patch.edit.facts;
  std::vector<CheckResult> checks = patch.checks;
  checks.push_back(check_update(patch));
  const bool passed = patch.passed && all_passed(checks);
  std::cout << facts_table(facts, console.columns()) << "\n"
            << lost_table(facts, console.columns()) << "\n"
            << checks_table(checks, console.columns()) << "\nPatch: " << options.out
            << (patch.passed ? "" : " (marked as failed)") << "\n";
  for (const std::string& warning : patch.edit.warnings) console.warn(warning);
  console.write_json({{"emend", emend_version()},
                      {"model", model_json(model)},
                      {"method", patch.edit.method},
                      {"edits", edits_json(facts)},
                      {"checks", checks_json(checks)},
                      {"outputs", {options.out}},
                      {"passed", passed}});
  return passed ? kExitDone : kExitCheckFailed;
}

void check_outputs(const ComposeOptions& options, const std::vector<std::string>& patches, Console& console) {
  require_writable_file(options.out);
  require_not_among(options.out, {options.common.model});
  std::vector<fs::path> files(patches.begin(), patches.end());
  files.emplace_back(options.out);
  console.keep_json_apart({files, options.common.model, {}});
}

}  // namespace

int patch_drop_command(const std::vector<std::string>& arguments) {
  ComposeOptions options;
  if (parse_compose("patch drop", "P ID --model M --out Q",
                    "Takes one edit out of a patch. The others keep their residuals and are solved again "
                    "without it, from what the patch holds; no search. The result is checked on the model.",
                    2, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  require_given(options.words.size() == 2, "patch drop", "the patch or the id of the edit");
  Console console(options.common);
  check_outputs(options, {options.words[0]}, console);
  const Patch patch = load_patch(options.words[0]);
  const std::vector<int> layers = layers_to_solve(patch, options.words[1]);
  Model model = load_model(options.common.model, options.common, console);
  require_base(patch, model, options.words[0]);
  Patch result = drop_fact(patch, options.words[1], load_moments(model, {patch}, layers, options.common));
  return finish(model, result, options, console);
}

int patch_merge_command(const std::vector<std::string>& arguments) {
  ComposeOptions options;
  if (parse_compose(
          "patch merge", "P... --model M --out Q",
          "Makes one patch of several of one base. Layers that several of them change are solved "
          "jointly, from what the patches hold; no search. Edits of one key are refused by name. The "
          "result is checked on the model.",
          -1, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  require_given(options.words.size() >= 2, "patch merge", "a second patch");
  Console console(options.common);
  check_outputs(options, options.words, console);
  const std::vector<Patch> patches = load_patches(options.words);
  Model model = load_model(options.common.model, options.common, console);
  for (std::size_t i = 0; i < patches.size(); ++i) require_base(patches[i], model, options.words[i]);
  constexpr double kParallel = 0.95;
  for (const KeyConflict& conflict : key_conflicts(patches, kParallel))
    if (conflict.cosine < kSameKey)
      console.warn(quote(conflict.first_id) + " and " + quote(conflict.second_id) + " have keys of cosine " +
                   number_text(conflict.cosine) + " at layer " + std::to_string(conflict.layer) +
                   ": the joint update is large");
  const std::vector<int> layers = layers_to_solve(patches);
  Patch merged =
      merge_patches(patches, options.words, load_moments(model, patches, layers, options.common));
  return finish(model, merged, options, console);
}

}  // namespace emend
