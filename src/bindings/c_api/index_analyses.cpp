// The analyses of memories that read indexes: merge, cell, patterns, audit, report, export, import, search.
#include <memory>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/layer_number.h"
#include "bindings/c_api/memory_analyses.h"
#include "bindings/c_api/token_budget.h"
#include "emend/error.h"
#include "emend/memory_audit.h"
#include "emend/memory_export.h"
#include "emend/memory_index.h"
#include "emend/memory_labels.h"
#include "emend/memory_patterns.h"
#include "emend/memory_search.h"
#include "io/output_check.h"
#include "reports/memories_page.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"
#include "reports/patterns_report.h"
#include "reports/search_report.h"
#include "reports/survey_report.h"

namespace emend::c_api {
namespace {

namespace fs = std::filesystem;

// An output beside what is read.
void require_written_apart(const fs::path& file, const std::vector<fs::path>& read, const fs::path& index) {
  require_writable_file(file);
  OtherFiles others{read, {}, {}};
  others.files.push_back(index);
  require_output_apart("out", file, others);
}

// ---- merge, cell

struct MergeSettings {
  std::vector<fs::path> folders;
  fs::path out;
};

void take_merge(JsonOptions& options, MergeSettings& merge) {
  options.need("folders", merge.folders);
  options.need("out", merge.out);
}

AnalysisResult run_merge(const AnalysisInput& input, MergeSettings merge) {
  require_writable_folder(merge.out);
  const auto found = std::make_shared<ScanOutcome>(merge_scans(merge.folders, merge.out, *input.progress));
  return {.json = scan_json(*found, nullptr), .text = [=] { return scan_text(*found, merge.out, 0); }};
}

struct CellSettings {
  MemoryId cell;
  fs::path index;
};

void take_cell(JsonOptions& options, CellSettings& asked) {
  options.need("cell", asked.cell);
  options.need("index", asked.index);
}

AnalysisResult run_cell(const AnalysisInput& input, CellSettings asked) {
  const MemoryIndex index(asked.index);
  if (input.model != nullptr) index.require_of(*input.model);
  const MemoryRecord record = index.cell(asked.cell);
  const MemoryIndexHead head = index.head();
  constexpr std::size_t kExamples = 10;
  return {.json = cell_json(record, head),
          .text = [=] { return cell_text(record, head, kExamples, 0); },
          .page = [=] { return cell_html(record, head); }};
}

// ---- patterns

struct PatternSettings {
  PatternOptions how;
  MutationOptions mutation;
  std::string unit = "word";
  fs::path sheet;
};

void take_patterns(JsonOptions& options, PatternSettings& patterns) {
  options.need("index", patterns.how.index);
  options.take("layers", patterns.how.layers);
  options.take("cells", patterns.how.cells);
  options.take("top", patterns.how.top);
  options.take("background", patterns.how.background);
  options.take("seed", patterns.how.seed);
  options.take("topics", patterns.how.topics);
  options.take("annotations", patterns.how.annotations);
  options.take("export", patterns.sheet);
  patterns.mutation.top = 0;
  patterns.mutation.token_budget = 0;
  options.take("mutations", patterns.mutation.top);
  options.take("unit", patterns.unit);
  options.take("clip", patterns.mutation.clip);
  options.take("longest", patterns.mutation.longest);
  options.take("token_budget", patterns.mutation.token_budget);
}

AnalysisResult run_patterns(const AnalysisInput& input, PatternSettings patterns) {
  if (!patterns.sheet.empty())
    require_written_apart(patterns.sheet, patterns.how.annotations, patterns.how.index);
  patterns.mutation.unit = parse_mutation_unit(patterns.unit);
  if (patterns.mutation.top > 0 && input.model == nullptr)
    throw Error(ErrorKind::kUsage, "the option mutations needs a model");
  PatternsOutcome outcome = patterns.how.topics && input.model != nullptr
                                ? find_patterns(*input.model, patterns.how, *input.progress)
                                : find_patterns(patterns.how, *input.progress);
  if (patterns.mutation.top > 0) {
    patterns.mutation.token_budget = settled_token_budget(patterns.mutation.token_budget, *input.model);
    measure_mutations(*input.model, patterns.how, patterns.mutation, outcome, *input.progress);
  }
  AnalysisResult result{.json = patterns_json(outcome, patterns.how),
                        .text = [outcome, how = patterns.how] { return patterns_text(outcome, how, 0); },
                        .page = [outcome, how = patterns.how] { return patterns_page(outcome, how); }};
  result.json["outputs"] = ResultJson::array();
  if (patterns.sheet.empty()) return result;
  for (const fs::path& file : export_annotation(patterns.how, outcome, patterns.sheet))
    result.json["outputs"].push_back(file.string());
  return result;
}

// ---- audit

void take_audit(JsonOptions& options, AuditOptions& how) {
  options.need("index", how.index);
  options.take("patterns", how.patterns);
  options.take("layers", how.layers);
  options.take("least", how.least);
  options.take("cells", how.cells);
  options.take("duplicate", how.duplicate);
  options.take("tokens", how.tokens);
}

AnalysisResult run_audit(const AnalysisInput& input, AuditOptions how) {
  const auto found = std::make_shared<AuditOutcome>(audit_memories(input.model, how, *input.progress));
  return {.json = audit_json(*found, how),
          .text = [=] { return audit_text(*found, 0); },
          .page = [=] { return audit_page(*found, how); }};
}

// ---- report

struct ReportSettings {
  MemoriesPageOptions how;
  fs::path index, out;
};

void take_report(JsonOptions& options, ReportSettings& report) {
  options.need("index", report.index);
  options.need("out", report.out);
  options.take("with", report.how.results);
  options.take("cells", report.how.cells);
  options.take("examples", report.how.examples);
}

void require_not_negative(const char* name, int value) {
  if (value < 0)
    throw Error(ErrorKind::kUsage, std::string(name) + " must be at least 0, found " + std::to_string(value));
}

AnalysisResult run_report(const AnalysisInput& /*input*/, ReportSettings report) {
  require_not_negative("cells", report.how.cells);
  require_not_negative("examples", report.how.examples);
  require_written_apart(report.out, report.how.results, report.index);
  const MemoriesPage page = memories_page(MemoryIndex(report.index), report.how);
  write_file_atomically(report.out, page.html);
  return {{{"cells", page.cells}, {"results", page.results}, {"outputs", {report.out.string()}}}};
}

// ---- export, import, search

void take_export(JsonOptions& options, ExportOptions& how) {
  options.need("form", how.form);
  options.need("index", how.index);
  options.need("out", how.out);
  options.take("layers", how.layers);
  options.take("model", how.model);
  options.take("set", how.set);
}

AnalysisResult run_export(const AnalysisInput& input, ExportOptions how) {
  const ExportOutcome found = export_memories(how, *input.progress);
  return {.json = export_json(found), .text = [=] { return export_text(found, how); }};
}

struct ImportSettings {
  fs::path index;
  std::vector<fs::path> files;
};

void take_import(JsonOptions& options, ImportSettings& asked) {
  options.need("files", asked.files);
  options.need("index", asked.index);
}

AnalysisResult run_import(const AnalysisInput& /*input*/, ImportSettings asked) {
  const LabelImport found = import_labels(asked.index, asked.files);
  return {{{"read", found.read},
           {"added", found.added},
           {"cells", found.cells},
           {"outputs", {found.output.string()}}}};
}

struct SearchSettings {
  fs::path index;
  std::vector<std::string> words;
  int limit = 20;
};

void take_search(JsonOptions& options, SearchSettings& asked) {
  options.need("words", asked.words);
  options.need("index", asked.index);
  options.take("limit", asked.limit);
}

AnalysisResult run_search(const AnalysisInput& /*input*/, SearchSettings asked) {
  const SearchOutcome found = search_memories(asked.index, asked.words, asked.limit);
  return {.json = search_json(found, asked.words), .text = [=] { return search_text(found, 0); }};
}

}  // namespace

std::vector<MemoryAnalysis> index_analyses() {
  using enum AnalysisNeeds;
  return {make_analysis("merge", kNoModel, take_merge, run_merge),
          make_analysis("cell", kPossiblyModel, take_cell, run_cell),
          make_analysis("patterns", kPossiblyModel, take_patterns, run_patterns),
          make_analysis("audit", kPossiblyModel, take_audit, run_audit),
          make_analysis("report", kNoModel, take_report, run_report),
          make_analysis("export", kNoModel, take_export, run_export),
          make_analysis("import", kNoModel, take_import, run_import),
          make_analysis("search", kNoModel, take_search, run_search)};
}

}  // namespace emend::c_api
