// The folder of a LoRA adapter as PEFT writes it, into the products that it adds.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "emend/adapter.h"
#include "emend/error.h"
#include "emend/tensor_file.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPeftFront = "base_model.model.", kA = ".lora_A.weight", kB = ".lora_B.weight";

// ---- the configuration

// Methods that change the base's own matrices when an adapter of theirs is made or loaded.
constexpr std::array kChangeTheBase = {"pissa", "olora", "corda", "loftq", "lora_ga"};

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

[[noreturn]] void refuse_kind(const JsonView& config, const std::string& key, const std::string& why) {
  throw Error(ErrorKind::kModel, fmt::format("{}: {} {}", config.source(), quote(key), why));
}

void require_plain_lora(const JsonView& config) {
  const std::string type = config.string_or("peft_type", "");
  if (type != "LORA")
    refuse_kind(config, "peft_type", fmt::format("is {}; only LORA can be merged here", quote(type)));
  for (const char* key : {"use_dora", "use_qalora", "lora_bias"})
    if (config.bool_or(key, false))
      refuse_kind(config, key, "is set: such an adapter is more than a product of two matrices");
  for (const char* key : {"alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication",
                          "lora_ga_config", "monteclora_config", "target_parameters", "use_bdlora"})
    if (config.has(key)) refuse_kind(config, key, "is set: such an adapter is more than its products");
  if (const auto initial = config.find("init_lora_weights"); initial && initial->is_string())
    for (const std::string method : kChangeTheBase)
      if (lower_case(initial->as_string()).starts_with(method))
        refuse_kind(
            config, "init_lora_weights",
            fmt::format("is {}, which changes the matrices of the base as well; save the adapter as a "
                        "plain LoRA (PEFT: path_initial_model_for_weight_conversion)",
                        quote(initial->as_string())));
}

// A value for the modules that a regular expression is for.
struct Pattern {
  std::regex modules;
  double value = 0;
};

// std::regex tries some expressions in exponentially many ways; libstdc++ has a search that does not.
std::regex_constants::syntax_option_type safe_syntax() {
#ifdef __GLIBCXX__
  return std::regex::ECMAScript | std::regex_constants::__polynomial;
#else
  return std::regex::ECMAScript;
#endif
}

std::vector<Pattern> read_patterns(const JsonView& config, const char* key) {
  constexpr std::size_t kLongestPattern = 1000;
  std::vector<Pattern> patterns;
  const auto given = config.find(key);
  if (!given) return patterns;
  for (const std::string& pattern : given->keys()) {
    const std::string name = quote(std::string(key) + "." + pattern);
    if (pattern.size() > kLongestPattern)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: {} is longer than {} bytes", config.source(), name, kLongestPattern));
    try {
      patterns.push_back({std::regex("(.*\\.)?(" + pattern + ")", safe_syntax()), given->number(pattern)});
    } catch (const std::regex_error&) {
      throw Error(ErrorKind::kFormat, fmt::format("{}: {} is no regular expression that can be read here",
                                                  config.source(), name));
    }
  }
  return patterns;
}

// The value of the whole adapter under `key`, and those of single modules under `patterns`. PEFT takes the
// first pattern that fits, in the order of the file; two for one module are refused, since JSON keeps no
// order here.
class ModuleValues {
 public:
  ModuleValues(const JsonView& config, const char* key, const char* patterns)
      : source_(config.source()),
        names_(patterns),
        patterns_(read_patterns(config, patterns)),
        common_(config.number(key)) {}

  double of(const std::string& module) const {
    std::optional<double> value;
    for (const Pattern& pattern : patterns_) {
      if (!std::regex_match(module, pattern.modules)) continue;
      if (value)
        throw Error(ErrorKind::kFormat,
                    fmt::format("{}: two keys of {} are for the module {}", source_, quote(names_), module));
      value = pattern.value;
    }
    return value.value_or(common_);
  }

 private:
  std::string source_, names_;
  std::vector<Pattern> patterns_;
  double common_;
};

// What B is multiplied by.
class Scaling {
 public:
  explicit Scaling(const JsonView& config)
      : ranks_(config, "r", "rank_pattern"),
        alphas_(config, "lora_alpha", "alpha_pattern"),
        by_root_(config.bool_or("use_rslora", false)) {}

  double rank_of(const std::string& module) const { return ranks_.of(module); }
  double scale_of(const std::string& module) const {
    const double rank = rank_of(module);
    return alphas_.of(module) / (by_root_ ? std::sqrt(rank) : rank);
  }

 private:
  ModuleValues ranks_, alphas_;
  bool by_root_;
};

// ---- the tensors

at::Tensor read_matrix(const TensorFile& file, const TensorInfo& info) {
  if (info.shape.size() != 2)
    throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {} has {} dimensions; a LoRA of matrices has 2",
                                                info.file.string(), info.name, info.shape.size()));
  const at::Tensor matrix = at::empty(info.shape, at::kFloat);
  read_as_float32(file, info, {matrix.data_ptr<float>(), static_cast<std::size_t>(matrix.numel())});
  if (!matrix.isfinite().all().item<bool>())
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: tensor {} holds NaN or infinite values", info.file.string(), info.name));
  return matrix;
}

// "model.layers.3.mlp.down_proj" of the name of its first matrix or its second one; empty for other tensors.
std::string module_of(const std::string& tensor) {
  for (const std::string_view ending : {kA, kB})
    if (tensor.starts_with(kPeftFront) && tensor.ends_with(ending) &&
        tensor.size() > kPeftFront.size() + ending.size())
      return tensor.substr(kPeftFront.size(), tensor.size() - kPeftFront.size() - ending.size());
  return "";
}

std::string half_name(const std::string& module, std::string_view ending) {
  return fmt::format("{}{}{}", kPeftFront, module, ending);
}

LoraModule read_module(const TensorFile& file, const std::string& name, const Scaling& scaling) {
  const std::string first = half_name(name, kA), second = half_name(name, kB);
  for (const std::string& half : {first, second})
    if (file.find(half) == nullptr)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: tensor {} is missing, the other half of {}", file.path().string(), half,
                              half == first ? second : first));
  LoraModule module{name, read_matrix(file, *file.find(first)), read_matrix(file, *file.find(second))};
  const double rank = scaling.rank_of(name);
  const std::int64_t stored = module.A.size(0);
  if (static_cast<double>(stored) != rank || module.B.size(1) != stored || stored == 0)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {} is [{}, {}] and lora_B [{}, {}]; the configuration says rank {}",
                            file.path().string(), first, stored, module.A.size(1), module.B.size(0),
                            module.B.size(1), rank));
  const double scale = scaling.scale_of(name);
  module.B *= scale;
  if (!module.B.isfinite().all().item<bool>())
    throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {} times its scale, {}, is not finite in float32",
                                                file.path().string(), second, scale));
  return module;
}

}  // namespace

LoraAdapter read_lora_adapter(const fs::path& folder) {
  const fs::path settings = folder / "adapter_config.json", weights = folder / "adapter_model.safetensors";
  std::error_code failed;
  if (!fs::exists(settings, failed))
    throw Error(ErrorKind::kIo, fmt::format("{}: this is no adapter of PEFT: a folder with "
                                            "adapter_config.json and adapter_model.safetensors is expected",
                                            folder.string()));
  const Json document = read_json_file(settings);
  const JsonView config(document, settings.string());
  require_plain_lora(config);
  if (!fs::exists(weights, failed) && fs::exists(folder / "adapter_model.bin", failed))
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the weights are in adapter_model.bin, which may hold code and is not read; "
                            "save the adapter with safetensors",
                            folder.string()));
  const Scaling scaling(config);
  const std::unique_ptr<TensorFile> file = open_safetensors(weights);
  LoraAdapter adapter{folder, config.string_or("base_model_name_or_path", ""), {}};
  for (const TensorInfo& info : file->tensors()) {
    const std::string name = module_of(info.name);
    if (name.empty())
      throw Error(ErrorKind::kModel,
                  fmt::format("{}: tensor {} is neither lora_A nor lora_B of a matrix; only "
                              "adapters of such pairs can be merged here",
                              weights.string(), info.name));
    if (info.name.ends_with(kA) || file->find(half_name(name, kA)) == nullptr)
      adapter.modules.push_back(read_module(*file, name, scaling));
  }
  return adapter;
}

}  // namespace emend
