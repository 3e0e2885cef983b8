// emend model inspect FILE --patches DIR [--base M]
#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "cli/patch_measure.h"
#include "emend/error.h"
#include "emend/inspect.h"
#include "pipeline/patch_checks.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

struct InspectOptions {
  CommonOptions common;
  std::string file, patches, base;
};

struct KnownPatch {
  std::string path;
  Patch patch;
};

// From here on a patch counts as contained.
constexpr double kContained = 0.5;

Parsed parse_inspect(const std::vector<std::string>& arguments, InspectOptions& options) {
  Syntax syntax;
  syntax.command = "model inspect";
  syntax.synopsis = "FILE [--patches DIR] [--base M]";
  syntax.help =
      "Says what became of a checkpoint: with --base, which weights differ, by what rank, and which of the "
      "patches in DIR are in it; without, how far it behaves as the patches say.";
  syntax.positional = "file";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed"};
  syntax.own.add_options()("file", po::value(&options.file))(
      "patches", po::value(&options.patches)->value_name("DIR"), "a folder with patches, or one patch")(
      "base", po::value(&options.base)->value_name("M"), "the checkpoint to compare with");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(options.file.empty() != options.common.model.empty(), "model inspect", "the model");
  if (options.file.empty()) options.file = options.common.model;
  require_given(!options.patches.empty() || !options.base.empty(), "model inspect",
                "--patches DIR or --base MODEL");
  return Parsed::kRun;
}

// Patches by name; other files are told and passed over.
std::vector<KnownPatch> read_patches(const std::string& place, Console& console) {
  std::vector<fs::path> files;
  if (place.empty()) return {};
  if (!fs::exists(place)) throw Error(ErrorKind::kIo, place + ": there is no such folder");
  if (fs::is_directory(place)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(place))
      if (entry.is_regular_file() && entry.path().extension() == ".safetensors")
        files.push_back(entry.path());
  } else {
    files.emplace_back(place);
  }
  std::sort(files.begin(), files.end());
  std::vector<KnownPatch> patches;
  for (const fs::path& file : files) {
    try {
      patches.push_back({file.string(), load_patch(file)});
    } catch (const Error& error) {
      if (!fs::is_directory(place)) throw;
      console.warn(std::string("passed over: ") + error.what());
    }
  }
  return patches;
}

std::string weights_table(const Inspection& inspection, std::size_t columns) {
  Table table({{"tensor", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"was"},
               {"is"},
               {"relative", Align::kRight},
               {"rank", Align::kRight},
               {"largest", Align::kRight},
               {"rounding", Align::kRight}});
  for (const WeightDifference& weight : inspection.weights)
    table.add_row({weight.entry.tensor, weight.entry.block < 0 ? "" : std::to_string(weight.entry.block),
                   weight.base_type, weight.entry.stored_type, number_text(weight.relative),
                   std::to_string(weight.rank), number_text(weight.largest), number_text(weight.rounding)});
  return table.text(columns);
}

ResultJson weights_json(const Inspection& inspection) {
  ResultJson list = ResultJson::array();
  for (const WeightDifference& weight : inspection.weights)
    list.push_back({{"tensor", weight.entry.tensor},
                    {"role", role_name(weight.entry.role)},
                    {"layer", weight.entry.block},
                    {"was", weight.base_type},
                    {"is", weight.entry.stored_type},
                    {"relative", weight.relative},
                    {"rank", weight.rank},
                    {"largest", weight.largest},
                    {"rounding", weight.rounding}});
  return list;
}

// The prompts' states, or nothing, and a warning, for a patch that asks what this model cannot be asked: ids
// that its vocabulary does not have, a chat template, rows beyond its positions.
std::optional<std::vector<FactState>> measure_if_possible(const Model& model, const KnownPatch& known,
                                                          const CommonOptions& common, Console& console) {
  try {
    require_sizes(known.patch, model, known.path);
    return measure_patch(model, known.patch, common.token_budget, console.progress());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    console.warn(known.path + ": its facts are not asked: " + error.what());
    return std::nullopt;
  }
}

// How many facts of a patch the model answers as after the edit: p(target) is nearer to what the patch
// measured then than to what it measured before.
struct Behaviour {
  std::size_t edited = 0, facts = 0;
};

std::optional<Behaviour> behaviour_of(const Model& model, const KnownPatch& known,
                                      const CommonOptions& common, Console& console) {
  const Patch& patch = known.patch;
  const WeightChange& change = patch.edit.changes[0];
  if (!model.has_tokenizer() || patch.before.empty() || patch.after.empty() ||
      change.A.size(1) != model.config().d_ff || change.B.size(0) != model.config().d_model)
    return std::nullopt;
  const auto now = measure_if_possible(model, known, common, console);
  if (!now) return std::nullopt;
  Behaviour result;
  for (std::size_t i = 0; i < now->size(); ++i) {
    if (patch.edit.facts[i].status != "edited") continue;
    const double p = (*now)[i].prompt.p_target;
    ++result.facts;
    if (std::abs(p - patch.after[i].prompt.p_target) < std::abs(p - patch.before[i].prompt.p_target))
      ++result.edited;
  }
  return result;
}

struct Verdict {
  const KnownPatch* known;
  std::string found;  // "contained", "not contained", "for another base"
  std::optional<double> share;
  std::optional<Behaviour> behaviour;
};

void print_verdicts(const std::vector<Verdict>& verdicts, std::size_t columns) {
  if (verdicts.empty()) return;
  Table table({{"patch", Align::kLeft, 20},
               {"edits", Align::kRight},
               {"found"},
               {"share", Align::kRight},
               {"answers as edited", Align::kRight}});
  for (const Verdict& verdict : verdicts)
    table.add_row({verdict.known->path, std::to_string(verdict.known->patch.edit.facts.size()), verdict.found,
                   number_text(verdict.share),
                   verdict.behaviour ? std::to_string(verdict.behaviour->edited) + " of " +
                                           std::to_string(verdict.behaviour->facts)
                                     : "-"});
  std::cout << table.text(columns);
}

ResultJson verdicts_json(const std::vector<Verdict>& verdicts) {
  ResultJson list = ResultJson::array();
  for (const Verdict& verdict : verdicts) {
    ResultJson entry = {{"path", verdict.known->path}, {"found", verdict.found}};
    entry["share"] = verdict.share ? ResultJson(*verdict.share) : ResultJson(nullptr);
    entry["answers_as_edited"] =
        verdict.behaviour ? ResultJson(verdict.behaviour->edited) : ResultJson(nullptr);
    entry["facts"] = verdict.behaviour ? ResultJson(verdict.behaviour->facts) : ResultJson(nullptr);
    list.push_back(entry);
  }
  return list;
}

// What the weights say of patches of this base.
std::vector<Verdict> judge_by_weights(const std::vector<KnownPatch>& known, const std::string& fingerprint,
                                      const CheckpointRoles& checkpoint, const CheckpointRoles& base,
                                      Inspection& inspection, Console& console) {
  std::vector<Verdict> verdicts;
  std::vector<Patch> patches;
  std::vector<std::size_t> places;
  for (const KnownPatch& one : known) {
    const bool fits = one.patch.edit.base_fingerprint == fingerprint;
    verdicts.push_back({&one, fits ? "" : "for another base", std::nullopt, std::nullopt});
    if (!fits) continue;
    places.push_back(verdicts.size() - 1);
    patches.push_back(one.patch);
  }
  inspection = inspect(checkpoint, base, patches, console.progress());
  for (const PatchShare& share : inspection.patches) {
    Verdict& verdict = verdicts[places[share.patch]];
    verdict.share = share.share;
    verdict.found = share.share >= kContained ? "contained" : "not contained";
  }
  return verdicts;
}

}  // namespace

int model_inspect_command(const std::vector<std::string>& arguments) {
  InspectOptions options;
  if (parse_inspect(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.keep_json_apart({{options.patches, options.base}, options.file, {}});
  const std::vector<KnownPatch> known = read_patches(options.patches, console);
  std::optional<CheckpointRoles> base;
  std::string base_fingerprint;
  if (!options.base.empty()) {
    const Model model = load_model(options.base, options.common, console);
    base = CheckpointRoles{options.base, model.roles()};
    base_fingerprint = model.fingerprint();
    for (const KnownPatch& one : known)
      if (one.patch.edit.base_fingerprint == base_fingerprint) require_sizes(one.patch, model, one.path);
  }
  const Model model = load_model(options.file, options.common, console);
  Inspection inspection;
  std::vector<Verdict> verdicts;
  if (base) {
    verdicts =
        judge_by_weights(known, base_fingerprint, {options.file, model.roles()}, *base, inspection, console);
  } else {
    for (const KnownPatch& one : known) {
      const bool untouched = one.patch.edit.base_fingerprint == model.fingerprint();
      verdicts.push_back({&one, untouched ? "not contained: this is its base" : "not compared (no --base)",
                          std::nullopt, std::nullopt});
    }
  }
  for (Verdict& verdict : verdicts) {
    throw_if_interrupted();
    verdict.behaviour = behaviour_of(model, *verdict.known, options.common, console);
  }
  if (base && inspection.weights.empty() && inspection.missing.empty())
    std::cout << "All weights are those of the base.\n";
  if (!inspection.weights.empty())
    std::cout
        << weights_table(inspection, console.columns())
        << "Rank: singular values of the difference above what rounding to the stored types makes. Layers "
           "count from 0.\n";
  for (const std::string& missing : inspection.missing)
    std::cout << "Without counterpart: " << missing << "\n";
  if (base && !known.empty() && !inspection.weights.empty())
    std::cout << "Not explained by the patches: " << percent_text(inspection.unexplained)
              << " of the norm of what differs in the down projections.\n";
  if (!verdicts.empty()) std::cout << (base ? "\n" : "");
  print_verdicts(verdicts, console.columns());
  ResultJson json = {{"emend", emend_version()}, {"model", model_json(model)}};
  json["base"] =
      base ? ResultJson({{"path", options.base}, {"fingerprint", base_fingerprint}}) : ResultJson(nullptr);
  json["weights"] = weights_json(inspection);
  json["missing"] = inspection.missing;
  json["unexplained"] = base ? ResultJson(inspection.unexplained) : ResultJson(nullptr);
  json["patches"] = verdicts_json(verdicts);
  console.write_json(json);
  return kExitDone;
}

}  // namespace emend
