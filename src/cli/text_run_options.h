// What commands that read text through a model share, emend stats and emend memories scan: their options, the
// paths among them, what is told of the plan, and the processes that mpirun started.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "emend/statistics_job.h"
#include "emend/text_run.h"

namespace emend {

struct TextRunArguments {
  CommonOptions common;
  std::string out, layers = "all", tokens, shard, text_field = "text", report;
  std::vector<std::string> corpus;
  std::int64_t window = 512, block = 0;
  bool resume = false, dry_run = false;
};

// The help of those options that the commands tell in their own words.
struct TextRunHelp {
  const char *corpus, *tokens, *block, *shard, *report;
};

// --tokens: a number from 1, or all (kAllTokens). Throws Error(kUsage) for other texts.
std::int64_t parse_token_count(const std::string& text);

void add_text_run_options(TextRunArguments& options, const TextRunHelp& help,
                          boost::program_options::options_description& own);

// As the library takes them, but for the layers and what needs the model: prefix and token budget. Throws
// Error(kUsage).
TextOptions text_run_options(const TextRunArguments& options);
// The same with prefix and token budget.
TextOptions text_run_options(const TextRunArguments& options, const Model& model);

// Before the model is loaded: what is read and written apart, by the first process, and what is read there.
void check_text_run_paths(const TextRunArguments& options, bool first, const Console& console);

// Warnings and notes about a plan.
void tell_remarks(const std::vector<PlanRemark>& remarks, Console& console);

}  // namespace emend
