#include "cli/load_model.h"

#include <sys/resource.h>

#include "base/nearest.h"
#include "base/strings.h"
#include "cli/interrupt.h"
#include "emend/error.h"

namespace emend {
namespace {

// The tokenizer's special tokens: what a mistyped --bos may have meant.
std::vector<std::string> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(id)) names.push_back(tokenizer.token_bytes(id));
  return names;
}

}  // namespace

Model load_model(const std::string& path, const CommonOptions& options, Console& console) {
  ModelOptions how;
  how.device = options.device;
  how.dtype = options.dtype;
  how.threads = options.threads;
  Model model = Model::load(path, how, console.progress());
  throw_if_interrupted();
  return model;
}

std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice) {
  if (choice == "auto") return tokenizer.automatic_prefix();
  if (choice == "none") return {};
  if (const auto id = tokenizer.find(choice)) return {*id};
  std::vector<std::string> known = special_tokens(tokenizer);
  known.insert(known.begin(), {"auto", "none"});
  constexpr std::size_t kMostListed = 12;
  if (const auto near = nearest_name(choice, known)) known = {*near};
  if (known.size() > kMostListed) known.resize(kMostListed);
  throw Error(ErrorKind::kConfig,
              "bos: the tokenizer has no token " + quote(choice) + did_you_mean(choice, known));
}

PromptForm parse_form(const std::string& form) {
  require_one_of("form", form, {"raw", "chat"});
  return form == "chat" ? PromptForm::kChat : PromptForm::kRaw;
}

CheckOptions check_options(const std::vector<std::int64_t>& prefix, PromptForm form,
                           const CommonOptions& options) {
  CheckOptions checks;
  checks.prefix = prefix;
  checks.form = form;
  checks.token_budget = options.token_budget;
  return checks;
}

ResultJson model_json(const Model& model) {
  const ModelConfig& config = model.config();
  return {{"path", model.path().string()},     {"family", config.family}, {"layers", config.layers},
          {"d_model", config.d_model},         {"d_ff", config.d_ff},     {"vocab", config.vocab},
          {"fingerprint", model.fingerprint()}};
}

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  constexpr std::int64_t kUnit = 1024;  // Linux counts kilobytes
  return usage.ru_maxrss * kUnit;
}

}  // namespace emend
