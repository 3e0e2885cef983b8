#include "cli/text_run_options.h"

#include <fmt/format.h>

#include <tuple>

#include "base/strings.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/error.h"

namespace emend {
std::int64_t parse_token_count(const std::string& text) {
  constexpr std::size_t kMostDigits = 15;
  if (text == "all") return kAllTokens;
  if (text.empty() || text.size() > kMostDigits ||
      text.find_first_not_of("0123456789") != std::string::npos || std::stoll(text) < 1)
    throw Error(ErrorKind::kUsage, "--tokens must be at least 1, or all, found " + quote(text));
  return std::stoll(text);
}

void add_text_run_options(TextRunArguments& options, const TextRunHelp& help, po::options_description& own) {
  auto add = own.add_options();
  add("corpus", po::value(&options.corpus)->multitoken()->composing()->value_name("PATH"), help.corpus);
  add("text-field", po::value(&options.text_field)->value_name("NAME")->default_value("text"),
      "the field of JSON lines that holds the text");
  add("layers", po::value(&options.layers)->value_name("LIST")->default_value("all"),
      "all, or for example 0,3,5-7");
  auto* const tokens = po::value(&options.tokens)->value_name("N");
  add("tokens", options.tokens.empty() ? tokens : tokens->default_value(options.tokens), help.tokens);
  add("window", po::value(&options.window)->value_name("N")->default_value(512),
      "tokens of a row; longer documents are cut");
  add("block", po::value(&options.block)->value_name("N")->notifier([](std::int64_t n) {
    require_at_least("block", n, 1);  // 0 would be the default
  }),
      help.block);
  add("resume", po::bool_switch(&options.resume), "go on from the checkpoint in --out");
  add("shard", po::value(&options.shard)->value_name("i/N"), help.shard);
  add("dry-run", po::bool_switch(&options.dry_run), "print the plan only");
  add("report", po::value(&options.report)->value_name("FILE"), help.report);
}

TextOptions text_run_options(const TextRunArguments& options) {
  TextOptions how;
  how.corpus.assign(options.corpus.begin(), options.corpus.end());
  how.text_field = options.text_field;
  how.tokens = options.tokens.empty() ? 0 : parse_token_count(options.tokens);
  how.seed = options.common.seed;
  how.window = options.window;
  how.block_tokens = options.block;
  std::tie(how.shard, how.shards) = parse_shard(options.shard);
  return how;
}

TextOptions text_run_options(const TextRunArguments& options, const Model& model) {
  TextOptions how = text_run_options(options);
  how.prefix = resolve_bos(model.tokenizer(), options.common.bos.value_or("auto"));
  how.token_budget = options.common.token_budget;
  return how;
}

void check_text_run_paths(const TextRunArguments& options, bool first, const Console& console) {
  if (first) {
    console.check_report(
        options.report,
        {{options.corpus.begin(), options.corpus.end()}, options.common.model, {options.out}});
    if (!options.out.empty()) require_writable_folder(options.out);
  }
  for (const std::string& path : options.corpus)
    if (!std::filesystem::exists(path)) throw Error(ErrorKind::kIo, "--corpus: there is no file " + path);
}

void tell_remarks(const std::vector<PlanRemark>& remarks, Console& console) {
  for (const PlanRemark& remark : remarks)
    remark.kind == PlanRemark::Kind::kWarning ? console.warn(remark.text) : console.note(remark.text);
}

}  // namespace emend
