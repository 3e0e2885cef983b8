// The results of the runs, in three forms for every outcome but those of memories: one line for a log
// (brief_report), the tables that the commands of the program print (full_report), and the JSON document that
// their option --json writes (to_json; keys and their meaning: docs/formats.md, "JSON results").
//
//   const EditOutcome outcome = run_edit(model, file);
//   std::cout << brief_report(outcome) << "\n" << full_report(outcome);
//   std::ofstream("edit.json") << to_json(outcome, model, {"patch.safetensors"});
//
// All of them only read: they throw nothing of their own and change no model. A text of brief_report has no
// line break, one of full_report ends in one. to_json gives UTF-8, indented by two blanks, without a line
// break at its end; text of a model that ends inside a character is completed by U+FFFD.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/abilities.h"
#include "emend/adapter.h"
#include "emend/convert_run.h"
#include "emend/edit_run.h"
#include "emend/eval.h"
#include "emend/eval_results.h"
#include "emend/generate_run.h"
#include "emend/locate_run.h"
#include "emend/model.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/records.h"
#include "emend/statistics_job.h"

namespace emend {

// How a full report is laid out.
struct ReportStyle {
  std::size_t columns = 0;  // width of the tables, cells that are too long are cut; 0: no limit
  bool colour = false;      // maps in the 256 colours of a terminal; only traces have maps
};

// In to_json, `model` is the model of the run, for its path, shape and fingerprint, and `outputs` are the
// files that the caller wrote of the outcome.
using OutputFiles = std::vector<std::filesystem::path>;

// ---- edits (edit_run.h)

std::string brief_report(const PlanOutcome& outcome);
std::string full_report(const PlanOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const PlanOutcome& outcome, const Model& model);

std::string brief_report(const EditOutcome& outcome);
std::string full_report(const EditOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const EditOutcome& outcome, const Model& model, const OutputFiles& outputs = {});

// ---- where a fact is kept (locate_run.h)

std::string brief_report(const LocateOutcome& outcome);
std::string full_report(const LocateOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const LocateOutcome& outcome, const Model& model);

// ---- benchmarks (eval.h, eval_results.h)

std::string brief_report(const BenchmarkOutcome& outcome);
std::string full_report(const BenchmarkOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const BenchmarkOutcome& outcome);

std::string brief_report(const Comparison& comparison);
std::string full_report(const Comparison& comparison, const ReportStyle& style = {});
std::string to_json(const Comparison& comparison);

// ---- abilities (abilities.h)

std::string brief_report(const AbilityOutcome& outcome);
std::string full_report(const AbilityOutcome& outcome, const ReportStyle& style = {});
// `patches`: the files that were laid on the model, in their order.
std::string to_json(const AbilityOutcome& outcome, const std::vector<std::string>& patches,
                    const Model& model);

// ---- patches (patch.h, patch_algebra.h, patch_run.h)

std::string brief_report(const Patch& patch);
std::string full_report(const Patch& patch, const ReportStyle& style = {});
// `file`: where the patch lies; left out if it is empty.
std::string to_json(const Patch& patch, const std::filesystem::path& file = {});

std::string brief_report(const PatchDifference& difference);
std::string full_report(const PatchDifference& difference, const ReportStyle& style = {});
std::string to_json(const PatchDifference& difference);

std::string brief_report(const VerifyOutcome& outcome);
std::string full_report(const VerifyOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const VerifyOutcome& outcome, const Model& model);

std::string brief_report(const ApplyOutcome& outcome);
std::string full_report(const ApplyOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const ApplyOutcome& outcome);

// A write in place that was taken back (revert() of write_back.h).
struct RevertOutcome {
  std::filesystem::path model, undo;            // as the caller named them
  std::vector<std::filesystem::path> restored;  // what revert() returned
};
std::string brief_report(const RevertOutcome& outcome);
std::string full_report(const RevertOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const RevertOutcome& outcome);

std::string brief_report(const ComposeOutcome& outcome);
std::string full_report(const ComposeOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const ComposeOutcome& outcome, const Model& model, const OutputFiles& outputs = {});

std::string brief_report(const InspectOutcome& outcome);
std::string full_report(const InspectOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const InspectOutcome& outcome, const Model& model);

std::string brief_report(const AdapterOutcome& outcome);
std::string full_report(const AdapterOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const AdapterOutcome& outcome, const Model& model);

// ---- statistics (statistics_job.h)

// After a dry run: its plan.
std::string brief_report(const StatisticsOutcome& outcome);
std::string full_report(const StatisticsOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const StatisticsOutcome& outcome, const Model& model);

// What a folder holds, or what was merged or imported into one. `model`: of imported statistics; nullptr for
// the others, which are read and put together without one.
std::string brief_report(const StatisticsSummary& summary);
std::string full_report(const StatisticsSummary& summary, const ReportStyle& style = {});
std::string to_json(const StatisticsSummary& summary, const Model* model = nullptr);

// An importance matrix (export_imatrix() of statistics.h).
struct ImatrixOutcome {
  std::vector<int> layers;  // what export_imatrix() returned
  std::filesystem::path file;
};
std::string brief_report(const ImatrixOutcome& outcome);
std::string full_report(const ImatrixOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const ImatrixOutcome& outcome);

// ---- data sets (convert_run.h)

std::string brief_report(const ConvertOutcome& outcome);
std::string full_report(const ConvertOutcome& outcome, const ReportStyle& style = {});
std::string to_json(const ConvertOutcome& outcome);

// ---- models (model_summary.h, model_check.h, generate_run.h)

// Path, family, sizes and fingerprint, as they stand under "model" in other documents.
std::string to_json(const Model& model);

std::string brief_report(const ModelSummary& summary, const Model& model);
std::string full_report(const ModelSummary& summary, const Model& model);
std::string to_json(const ModelSummary& summary, const Model& model);

std::string brief_report(const ModelCheck& check);
std::string full_report(const ModelCheck& check, const ReportStyle& style = {});
// Of a check of the headers alone, passed or refused.
std::string to_json(const ModelCheck& check);
// Of a check after which `model` was loaded, and its tokenizer was tried.
std::string to_json(const ModelCheck& check, const Model& model);

// `prompt` and `form`: what run_prompt was given.
std::string brief_report(const PromptOutcome& outcome);
std::string full_report(const PromptOutcome& outcome, const std::string& prompt,
                        PromptForm form = PromptForm::kRaw, const ReportStyle& style = {});
std::string to_json(const PromptOutcome& outcome, const std::string& prompt);

}  // namespace emend
