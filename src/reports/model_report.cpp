#include "reports/model_report.h"

#include <optional>
#include <vector>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

// "F32: 28 tensors, Q4_1: 210 tensors".
std::string types_text(const std::map<std::string, int>& counts) {
  std::vector<std::string> parts;
  for (const auto& [type, count] : counts) parts.push_back(type + ": " + std::to_string(count) + " tensors");
  return join(parts);
}

std::string token_text(const std::optional<std::int64_t>& id, const std::string& name) {
  return id ? name + " (" + std::to_string(*id) + ")" : "none";
}

void add_tokenizer_rows(const TokenizerSummary& tokenizer, Table& table) {
  const auto& prefix = tokenizer.prefix_names;
  table.add_row({"tokenizer", count_text(tokenizer.size) + " ids, fingerprint " + tokenizer.fingerprint});
  table.add_row({"BOS", token_text(tokenizer.bos, tokenizer.bos_name) +
                            ", put in front by itself: " + (prefix.empty() ? "none" : join(prefix, " "))});
  table.add_row({"EOS", token_text(tokenizer.eos, tokenizer.eos_name)});
  table.add_row({"chat template", tokenizer.chat_template});
}

std::string shape_table(const ModelSummary& summary, const Model& model) {
  const ModelConfig& config = model.config();
  Table table({{"what"}, {"value"}});
  table.add_row({"path", model.path().string()});
  table.add_row({"family", config.family});
  table.add_row(
      {"layers", std::to_string(config.layers) + " (0 to " + std::to_string(config.layers - 1) + ")"});
  table.add_row({"d_model", std::to_string(config.d_model)});
  table.add_row({"d_ff", std::to_string(config.d_ff) + (config.block.gated_mlp ? ", gated" : "")});
  table.add_row({"heads", std::to_string(config.heads) + " queries, " + std::to_string(config.kv_heads) +
                              " keys and values, of " + std::to_string(config.head_dim)});
  for (const std::string& choice : summary.choices) table.add_row({"differs", choice});
  if (!summary.choices.empty()) table.add_row({"MLP value", summary.value_path});
  table.add_row({"vocabulary", count_text(config.vocab)});
  table.add_row({"positions", count_text(config.max_positions)});
  table.add_row({"stored types", types_text(summary.stored_types)});
  table.add_row({"in memory", human_bytes(static_cast<std::uint64_t>(model.bytes()))});
  if (summary.tokenizer)
    add_tokenizer_rows(*summary.tokenizer, table);
  else
    table.add_row({"tokenizer", "none"});
  table.add_row({"fingerprint", model.has_fingerprint()
                                    ? model.fingerprint()
                                    : "not taken of so large a file; a check of the model takes it"});
  return table.text(0);
}

std::string parts_table(const ModelSummary& summary) {
  const auto total = static_cast<double>(summary.parameters);
  Table table({{"part"}, {"parameters", Align::kRight}, {"share", Align::kRight}});
  for (const auto& [part, count] : summary.parts)
    table.add_row({part, count_text(count), percent_text(static_cast<double>(count) / total)});
  table.add_row({"all", count_text(summary.parameters), ""});
  return table.text(0);
}

ResultJson tokenizer_json(const std::optional<TokenizerSummary>& tokenizer) {
  if (!tokenizer) return nullptr;
  return {{"size", tokenizer->size},
          {"fingerprint", tokenizer->fingerprint},
          {"bos", or_null(tokenizer->bos)},
          {"eos", or_null(tokenizer->eos)},
          {"automatic_prefix", tokenizer->automatic_prefix},
          {"chat_template", tokenizer->chat_template}};
}

}  // namespace

std::string model_text(const ModelSummary& summary, const Model& model) {
  return shape_table(summary, model) + "\n" + parts_table(summary);
}

ResultJson model_info_json(const ModelSummary& summary, const Model& model) {
  ResultJson parameters;
  for (const auto& [part, count] : summary.parts) parameters[part] = count;
  return {{"emend", emend_version()}, {"model", model_json(model)},
          {"parameters", parameters}, {"total_parameters", summary.parameters},
          {"bytes", model.bytes()},   {"tokenizer", tokenizer_json(summary.tokenizer)}};
}

}  // namespace emend
