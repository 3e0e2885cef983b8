#include "cli/text_run_options.h"

#include <tuple>

#include "base/number_text.h"
#include "base/strings.h"
#include "console/option_values.h"
#include "emend/error.h"

namespace emend {

std::int64_t parse_token_count(const std::string& text) {
  constexpr std::size_t kMostDigits = 15;
  if (text == "all") return kAllTokens;
  const auto tokens = whole_number(text, kMostDigits);
  if (!tokens || *tokens < 1)
    throw Error(ErrorKind::kUsage, "--tokens must be at least 1, or all, found " + quote(text));
  return *tokens;
}

void require_paths(const std::string& option, const std::vector<std::filesystem::path>& paths) {
  for (const std::filesystem::path& path : paths)
    if (!std::filesystem::exists(path))
      throw Error(ErrorKind::kIo, option + ": there is no file " + path.string());
}

void add_text_run_options(CommandFrame& frame, TextRunArguments& asked, TextOptions& how,
                          const TextRunHelp& help, const std::string& standard_tokens) {
  frame.options.texts("corpus", how.corpus, "PATH", help.corpus, Use::kReads)
      .text("text-field", how.text_field, "NAME", "the field of JSON lines that holds the text")
      .text("layers", asked.layers, "LIST", kLayersHelp)
      .value(
          "tokens", "N", help.tokens, [&](const std::string& text) { how.tokens = parse_token_count(text); },
          standard_tokens)
      .number("window", how.window, "N", "tokens of a row; longer documents are cut")
      .count("block", how.block_tokens, "N", help.block)
      .flag("resume", asked.resume, "go on from the checkpoint in --out")
      .value("shard", "i/N", help.shard,
             [&](const std::string& text) { std::tie(how.shard, how.shards) = parse_shard(text); })
      .flag("dry-run", asked.dry_run, "print the plan only")
      .report(help.report);
}

void add_kept_folder_options(CommandFrame& frame, std::string& out, AggregateFolder& folder, TextOptions& how,
                             const char* out_help) {
  frame.options.text("out", out, "DIR", out_help, Use::kWritesFolder)
      .flag("resume", folder.resume, "go on from the checkpoint in --out")
      .value("shard", "i/N", "only part i of N, from 0, into --out; --join makes the whole of them",
             [&](const std::string& text) { std::tie(how.shard, how.shards) = parse_shard(text); })
      .texts("join", folder.join, "DIR", "folders with the parts of all shards of this run: join them",
             Use::kFolder);
}

void require_kept_folder(const CommandFrame& frame, const char* command, const std::string& out,
                         const AggregateFolder& folder, const TextOptions& how) {
  const bool shard = how.shards > 1;
  require_given(!out.empty() || !(shard || folder.resume), command, "--out DIR");
  if (shard && (!folder.join.empty() || !frame.options.report_file.empty()))
    throw Error(ErrorKind::kUsage, "--join and --report need all shards: they do not go with --shard");
}

void take_common_options(const CommandFrame& frame, const Model& model, TextOptions& how) {
  how.seed = frame.common.seed;
  how.prefix = resolve_bos(model.tokenizer(), frame.bos());
  how.token_budget = frame.common.token_budget;
}

void tell_remarks(const std::vector<PlanRemark>& remarks, Console& console) {
  for (const PlanRemark& remark : remarks)
    remark.kind == PlanRemark::Kind::kWarning ? console.warn(remark.text) : console.note(remark.text);
}

}  // namespace emend
