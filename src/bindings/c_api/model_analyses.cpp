// The analyses of memories that read a model: scan, values, aggregate, coactive, cluster, compare, footprint,
// bake.
#include <memory>

#include "base/files.h"
#include "base/layer_number.h"
#include "bindings/c_api/memory_analyses.h"
#include "bindings/c_api/token_budget.h"
#include "emend/error.h"
#include "emend/memory_aggregate.h"
#include "emend/memory_bake.h"
#include "emend/memory_cluster.h"
#include "emend/memory_coactive.h"
#include "emend/memory_compare.h"
#include "emend/memory_footprint.h"
#include "emend/memory_values.h"
#include "reports/aggregate_report.h"
#include "reports/coactive_report.h"
#include "reports/footprint_report.h"
#include "reports/memory_report.h"
#include "reports/patch_report.h"
#include "reports/survey_report.h"
#include "reports/values_report.h"

namespace emend::c_api {
namespace {

void require_layers_of(const Model& model, const std::vector<int>& layers) {
  for (const int layer : layers) require_layer("layers", layer, model.config().layers);
}

// What scan and aggregate have in common. The whole corpus is read unless `tokens` says otherwise.
void take_text(JsonOptions& options, TextOptions& text, std::string& bos) {
  text.tokens = kAllTokens;
  text.token_budget = 0;
  options.take("text_field", text.text_field);
  options.take("tokens", text.tokens);
  options.take("seed", text.seed);
  options.take("window", text.window);
  options.take("token_budget", text.token_budget);
  options.take("bos", bos);
}

void settle_text(const Model& model, const std::string& bos, TextOptions& text) {
  text.prefix = resolve_bos(model.tokenizer(), bos);
  text.token_budget = settled_token_budget(text.token_budget, model);
}

// ---- scan

struct ScanSettings {
  ScanOptions how;
  ScanFolder folder;
  std::string bos = "auto";
  bool plan_only = false;
};

void take_scan(JsonOptions& options, ScanSettings& scan) {
  options.take("corpus", scan.how.corpus);
  options.take("own_text", scan.how.own_text);
  take_text(options, scan.how, scan.bos);
  options.take("block_tokens", scan.how.block_tokens);
  options.take("shard", scan.how.shard);
  options.take("shards", scan.how.shards);
  options.take("layers", scan.how.layers);
  options.take("top", scan.how.top);
  options.take("random", scan.how.random);
  options.take("dedup", scan.how.dedup);
  options.take("include_first", scan.how.include_first);
  options.take("sentences", scan.how.sentences);
  options.take("out", scan.folder.path);
  options.take("resume", scan.folder.resume);
  options.take("plan_only", scan.plan_only);
}

void add_remarks(const ScanPlan& plan, const ScanOptions& how, ResultJson& json) {
  json["warnings"] = json["notes"] = ResultJson::array();
  for (const PlanRemark& remark : remarks_on(plan, how))
    json[remark.kind == PlanRemark::Kind::kWarning ? "warnings" : "notes"].push_back(remark.text);
}

AnalysisResult run_scan(const AnalysisInput& input, ScanSettings scan) {
  if (scan.how.corpus.empty() == !scan.how.own_text)
    throw Error(ErrorKind::kUsage, "scan needs the option corpus, or own_text in its place");
  require_layers_of(*input.model, scan.how.layers);
  settle_text(*input.model, scan.bos, scan.how);
  if (scan.plan_only) {
    const ScanPlan plan = plan_memories(*input.model, scan.how, *input.progress);
    AnalysisResult result{.json = scan_plan_json(plan, *input.model),
                          .text = [plan, how = scan.how] { return scan_plan_text(plan, how); }};
    add_remarks(plan, scan.how, result.json);
    return result;
  }
  if (scan.folder.path.empty()) throw Error(ErrorKind::kUsage, "scan needs the option out");
  require_writable_folder(scan.folder.path);
  const auto found =
      std::make_shared<ScanOutcome>(scan_memories(*input.model, scan.how, scan.folder, *input.progress));
  AnalysisResult result{.json = scan_json(*found, input.model),
                        .text = [=] { return scan_text(*found, scan.folder.path, 0); }};
  add_remarks(found->plan, scan.how, result.json);
  return result;
}

// ---- values

void take_values(JsonOptions& options, ValueOptions& how) {
  options.take("layers", how.layers);
  options.take("lens", how.lens);
  options.take("mask_special", how.lens.mask_special);
  options.take("top", how.top);
  options.take("index", how.index);
  options.take("out", how.out);
  options.take("seed", how.seed);
  options.take("sharpest", how.sharpest);
}

AnalysisResult run_values_of(const AnalysisInput& input, ValueOptions how) {
  if (!how.index.empty() && !how.out.empty())
    throw Error(ErrorKind::kUsage,
                "the option out goes without the option index, which keeps the tables itself");
  if (!how.out.empty()) require_writable_folder(how.out);
  const Model& model = *input.model;
  const auto found = std::make_shared<ValuesOutcome>(run_values(model, how, *input.progress));
  return {.json = values_json(*found, how, model),
          .text = [=] { return values_text(*found, how, 0); },
          .page = [=, &model] { return values_page(*found, how, model); }};
}

// ---- aggregate, coactive: their parts are kept in a folder and joined there

void take_kept_folder(JsonOptions& options, TextOptions& how, AggregateFolder& folder) {
  options.take("shard", how.shard);
  options.take("shards", how.shards);
  options.take("out", folder.path);
  options.take("resume", folder.resume);
  options.take("join", folder.join);
}

void require_kept_folder(const char* name, const TextOptions& how, const AggregateFolder& folder) {
  const bool is_part = how.shards > 1;
  if (folder.path.empty() && (is_part || folder.resume))
    throw Error(ErrorKind::kUsage, std::string(name) + " needs the option out for a shard, and to resume");
  if (is_part && !folder.join.empty())
    throw Error(ErrorKind::kUsage, "the option join needs all shards: it does not go with shards");
  if (!folder.path.empty()) require_writable_folder(folder.path);
}

struct AggregateSettings {
  AggregateOptions how;
  AggregateFolder folder;
  std::string bos = "auto";
};

void take_aggregate(JsonOptions& options, AggregateSettings& aggregate) {
  options.need("corpus", aggregate.how.corpus);
  take_text(options, aggregate.how, aggregate.bos);
  options.take("layers", aggregate.how.layers);
  options.take("examples", aggregate.how.examples);
  options.take("lens", aggregate.how.lens);
  options.take("mask_special", aggregate.how.lens.mask_special);
  options.take("coalitions", aggregate.how.coalitions);
  options.take("sentences", aggregate.how.sentences);
  options.take("sparsity", aggregate.how.sparsity);
  take_kept_folder(options, aggregate.how, aggregate.folder);
}

AnalysisResult run_aggregate_of(const AnalysisInput& input, AggregateSettings aggregate) {
  require_layers_of(*input.model, aggregate.how.layers);
  settle_text(*input.model, aggregate.bos, aggregate.how);
  require_kept_folder("aggregate", aggregate.how, aggregate.folder);
  const Model& model = *input.model;
  const AggregateOptions how = aggregate.how;
  const auto found =
      std::make_shared<AggregateOutcome>(run_aggregate(model, how, aggregate.folder, *input.progress));
  return {.json = aggregate_json(*found, how, model),
          .text = [=] { return aggregate_text(*found, 0); },
          .page = [=, &model] { return aggregate_page(*found, how, model); }};
}

struct CoactiveSettings {
  CoactiveOptions how;
  AggregateFolder folder;
  std::string bos = "auto";
};

void take_coactive(JsonOptions& options, CoactiveSettings& coactive) {
  options.need("corpus", coactive.how.corpus);
  take_text(options, coactive.how, coactive.bos);
  options.take("cells", coactive.how.cells);
  options.take("layers", coactive.how.layers);
  options.take("most", coactive.how.most);
  options.take("index", coactive.how.index);
  options.take("beyond", coactive.how.beyond);
  options.take("threshold", coactive.how.threshold);
  options.take("least", coactive.how.least);
  options.take("pairs", coactive.how.pairs);
  options.take("sentences", coactive.how.sentences);
  take_kept_folder(options, coactive.how, coactive.folder);
}

AnalysisResult run_coactive_of(const AnalysisInput& input, CoactiveSettings coactive) {
  require_layers_of(*input.model, coactive.how.layers);
  settle_text(*input.model, coactive.bos, coactive.how);
  require_kept_folder("coactive", coactive.how, coactive.folder);
  const Model& model = *input.model;
  const CoactiveOptions how = coactive.how;
  const auto found =
      std::make_shared<CoactiveOutcome>(run_coactive(model, how, coactive.folder, *input.progress));
  return {.json = coactive_json(*found, how, model),
          .text = [=] { return coactive_text(*found, 0); },
          .page = [=, &model] { return coactive_page(*found, how, model); }};
}

// ---- cluster

void take_cluster(JsonOptions& options, ClusterOptions& how) {
  options.take("layers", how.layers);
  options.take("clusters", how.clusters);
  options.take("sweeps", how.sweeps);
  options.take("members", how.members);
  options.take("top", how.top);
  options.take("seed", how.seed);
}

AnalysisResult run_cluster(const AnalysisInput& input, ClusterOptions how) {
  const Model& model = *input.model;
  const auto found = std::make_shared<ClusterOutcome>(cluster_memories(model, how, *input.progress));
  return {.json = cluster_json(*found, model, how),
          .text = [=] { return cluster_text(*found, 0); },
          .page = [=, &model] { return cluster_page(*found, model); }};
}

// ---- compare, footprint, bake

void take_compare(JsonOptions& options, CompareOptions& how) {
  options.take("layers", how.layers);
  options.take("cells", how.cells);
  options.take("top", how.top);
  options.take("lens", how.lens);
  options.take("mask_special", how.lens.mask_special);
  options.take("index_a", how.index_a);
  options.take("index_b", how.index_b);
}

AnalysisResult run_compare(const AnalysisInput& input, CompareOptions how) {
  const Model &first = *input.model, &second = *input.second;
  const auto found = std::make_shared<CompareOutcome>(compare_memories(first, second, how, *input.progress));
  return {.json = compare_json(*found, first, second),
          .text = [=] { return compare_text(*found, 0); },
          .page = [=, &first, &second] { return compare_page(*found, first, second); }};
}

void take_footprint(JsonOptions& options, FootprintOptions& how) {
  options.take("cells", how.cells);
  options.take("top", how.top);
  options.take("lens", how.lens);
  options.take("mask_special", how.lens.mask_special);
  options.take("index", how.index);
}

AnalysisResult run_footprint(const AnalysisInput& input, FootprintOptions how) {
  require_stack(input.patches, *input.model);
  FootprintReport report;
  for (const NamedPatch& named : input.patches) report.patches.push_back(named.name);
  report.layers = measure_footprint(*input.model, changes_of(input.patches), how);
  const Model& model = *input.model;
  return {.json = footprint_json(report, model),
          .text = [=] { return footprint_text(report, 0); },
          .page = [=, &model] { return footprint_page(report, model); }};
}

void take_bake(JsonOptions& options, BakeOptions& how) {
  how.token_budget = 0;
  options.need("settings", how.settings);
  options.need("prompt", how.prompt);
  options.take("bos", how.bos);
  options.take("token_budget", how.token_budget);
}

AnalysisResult run_bake_of(const AnalysisInput& input, BakeOptions how) {
  how.token_budget = settled_token_budget(how.token_budget, *input.model);
  Patch patch = run_bake(*input.model, how, *input.progress);
  ResultJson json = patch_json(patch, {});
  return {.json = std::move(json), .patch = patch, .text = [patch] { return patch_text(patch, 0); }};
}

}  // namespace

std::vector<MemoryAnalysis> model_analyses() {
  using enum AnalysisNeeds;
  return {make_analysis("scan", kModel, take_scan, run_scan),
          make_analysis("values", kModel, take_values, run_values_of),
          make_analysis("aggregate", kModel, take_aggregate, run_aggregate_of),
          make_analysis("coactive", kModel, take_coactive, run_coactive_of),
          make_analysis("cluster", kModel, take_cluster, run_cluster),
          make_analysis("compare", kTwoModels, take_compare, run_compare),
          make_analysis("footprint", kModelAndPatches, take_footprint, run_footprint),
          make_analysis("bake", kModelForPatch, take_bake, run_bake_of)};
}

}  // namespace emend::c_api
