// What commands that read text through a model share, emend stats and emend memories scan: their options, and
// what is told of the plan.
#pragma once

#include <string>
#include <vector>

#include "cli/command_frame.h"
#include "emend/memory_aggregate.h"
#include "emend/statistics_job.h"
#include "emend/text_run.h"

namespace emend {

// What the options fill besides TextOptions.
struct TextRunArguments {
  std::string out, layers = "all";
  bool resume = false, dry_run = false;
};

// The help of those options that the commands tell in their own words.
struct TextRunHelp {
  const char *corpus, *tokens, *block, *shard, *report;
};

// --tokens: a number from 1, or all (kAllTokens). Throws Error(kUsage) for other texts.
std::int64_t parse_token_count(const std::string& text);

// Throws Error(kIo) if one of the paths of `option` is not there.
void require_paths(const std::string& option, const std::vector<std::filesystem::path>& paths);

// `standard_tokens`: the default of --tokens; empty: none.
void add_text_run_options(CommandFrame& frame, TextRunArguments& asked, TextOptions& how,
                          const TextRunHelp& help, const std::string& standard_tokens = "");

// The options of an analysis whose positions or counts are kept in a folder and joined there: --out,
// --resume, --shard, --join. `out_help`: what --out keeps.
void add_kept_folder_options(CommandFrame& frame, std::string& out, AggregateFolder& folder, TextOptions& how,
                             const char* out_help);

// Throws Error(kUsage) where they contradict each other. `command`: as a user types it.
void require_kept_folder(const CommandFrame& frame, const char* command, const std::string& out,
                         const AggregateFolder& folder, const TextOptions& how);

// Once the model is there: seed, prefix and token budget.
void take_common_options(const CommandFrame& frame, const Model& model, TextOptions& how);

// Warnings and notes about a plan.
void tell_remarks(const std::vector<PlanRemark>& remarks, Console& console);

}  // namespace emend
