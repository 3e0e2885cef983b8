#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "model/families/families.h"
#include "model/role_table.h"

namespace emend {

namespace {

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      gpt2_family(),     gptj_family(),       llama_family(),   mistral_family(), qwen2_family(),
      qwen3_family(),    olmo2_family(),      smollm3_family(), granite_family(), gemma_family(),
      gemma2_family(),   gemma3_family(),     phi_family(),     phi3_family(),    gpt_neox_family(),
      stablelm_family(), starcoder2_family(), opt_family(),     falcon_family()};
  return all;
}

const char* const kExperts = "it is a mixture of experts, where a fact has no one down projection to be in";
const char* const kStateSpace = "its blocks keep a state instead of attention over earlier tokens";
const char* const kEncoder = "it has an encoder; emend edits decoder-only models";
const char* const kOther = "its blocks do things that the forward pass here does not";

// Architectures that people ask for and that are of another kind, with the reason.
const std::map<std::string, std::string>& known_others() {
  static const std::map<std::string, std::string> others = {{"mixtral", kExperts},
                                                            {"qwen2_moe", kExperts},
                                                            {"qwen3_moe", kExperts},
                                                            {"qwen2moe", kExperts},
                                                            {"qwen3moe", kExperts},
                                                            {"olmoe", kExperts},
                                                            {"phimoe", kExperts},
                                                            {"granitemoe", kExperts},
                                                            {"granitemoeshared", kExperts},
                                                            {"deepseek_v2", kExperts},
                                                            {"deepseek_v3", kExperts},
                                                            {"deepseek2", kExperts},
                                                            {"dbrx", kExperts},
                                                            {"jetmoe", kExperts},
                                                            {"llama4", kExperts},
                                                            {"llama4_text", kExperts},
                                                            {"ernie4_5_moe", kExperts},
                                                            {"glm4_moe", kExperts},
                                                            {"gpt_oss", kExperts},
                                                            {"gpt-oss", kExperts},
                                                            {"hunyuan_v1_moe", kExperts},
                                                            {"mamba", kStateSpace},
                                                            {"mamba2", kStateSpace},
                                                            {"falcon_mamba", kStateSpace},
                                                            {"falcon_h1", kStateSpace},
                                                            {"falcon-h1", kStateSpace},
                                                            {"jamba", kStateSpace},
                                                            {"bamba", kStateSpace},
                                                            {"zamba", kStateSpace},
                                                            {"zamba2", kStateSpace},
                                                            {"nemotron_h", kStateSpace},
                                                            {"granitemoehybrid", kStateSpace},
                                                            {"granitehybrid", kStateSpace},
                                                            {"qwen3_next", kStateSpace},
                                                            {"qwen3next", kStateSpace},
                                                            {"lfm2", kStateSpace},
                                                            {"recurrent_gemma", kStateSpace},
                                                            {"rwkv", kStateSpace},
                                                            {"rwkv6", kStateSpace},
                                                            {"rwkv7", kStateSpace},
                                                            {"xlstm", kStateSpace},
                                                            {"t5", kEncoder},
                                                            {"mt5", kEncoder},
                                                            {"umt5", kEncoder},
                                                            {"t5gemma", kEncoder},
                                                            {"switch_transformers", kEncoder},
                                                            {"bart", kEncoder},
                                                            {"mbart", kEncoder},
                                                            {"pegasus", kEncoder},
                                                            {"marian", kEncoder},
                                                            {"whisper", kEncoder},
                                                            {"bert", kEncoder},
                                                            {"roberta", kEncoder},
                                                            {"gemma3n", kOther},
                                                            {"gemma3n_text", kOther},
                                                            {"gemma4", kOther},
                                                            {"gemma4_text", kOther}};
  return others;
}

bool is_named(const Family& family, const std::string& name, bool gguf) {
  if (name.empty()) return false;
  if (gguf) return name == family.gguf_architecture;
  return std::find(family.model_types.begin(), family.model_types.end(), name) != family.model_types.end();
}

}  // namespace

std::vector<std::string> known_families() {
  std::vector<std::string> names;
  for (const Family& family : families()) names.push_back(family.name);
  return names;
}

const Family& find_family(const ConfigValues& values) {
  const std::string name = values.text({"model_type", "general.architecture"});
  for (const Family& family : families())
    if (is_named(family, name, values.is_gguf())) return family;
  const auto other = known_others().find(name);
  const std::string reason = other == known_others().end() ? "" : ": " + other->second;
  throw Error(
      ErrorKind::kModel,
      fmt::format("{}: the architecture {} is not supported{}; known ones: {}. A family needs a table "
                  "of its settings and tensor names (CONTRIBUTING.md)",
                  values.where(), quote(name), reason, join(known_families())));
}

const Family& find_family(const std::string& name) {
  for (const Family& family : families())
    if (family.name == name) return family;
  throw Error(ErrorKind::kModel, fmt::format("there is no model family {}{}", quote(name),
                                             did_you_mean(name, known_families())));
}

const TensorName& role_tensor(const Family& family, Role role) {
  for (const TensorName& tensor : family.tensors)
    if (tensor.role == role) return tensor;
  throw Error(ErrorKind::kModel, fmt::format("the family {} has no {}", family.name, role_name(role)));
}

std::vector<NamePrefix> family_prefixes(const Family& family) {
  std::vector<NamePrefix> prefixes = {{family.prefix, ""},
                                      {"", ""},
                                      {"model.language_model.", "", true},
                                      {"language_model.model.", "language_model.", true}};
  // "decoder." of "model.decoder."
  const auto dot = family.prefix.find('.');
  if (dot + 1 < family.prefix.size())
    prefixes.insert(prefixes.begin() + 1, {family.prefix.substr(dot + 1), ""});
  return prefixes;
}

}  // namespace emend
