#include "reports/check_report.h"

#include <fmt/format.h>

#include <vector>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "pipeline/role_lines.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

std::string bytes_text(std::int64_t bytes) {
  return human_bytes(static_cast<std::uint64_t>(bytes));
}

double share_of(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
}

// "F32: 61 tensors of 140 kB"
std::string type_text(const std::string& name, const StoredTypeUse& use) {
  const std::string limit = use.can_write ? "" : use.can_read ? ", read but not written" : ", carried only";
  return fmt::format("{}: {} tensors of {}{}", name, use.tensors, bytes_text(use.bytes), limit);
}

std::string file_table(const ModelCheck& check) {
  Table table({{"what"}, {"value"}});
  table.add_row({"path", check.path.string()});
  table.add_row({"format", check.format + ", " + count_text(check.tensors) + " tensors"});
  table.add_row({"architecture", check.architecture.empty() ? "not named" : check.architecture});
  if (check.config) table.add_row({"family", check.config->family});
  for (const auto& [name, use] : check.types) table.add_row({"stored", type_text(name, use)});
  for (const NormLine& norm : check.norms) {
    const std::string blocks = "blocks " + ranges_text(norm.blocks) + ": ";
    table.add_row({"norms", blocks + norm.kind + ", attention " + norm.attention + ", MLP " + norm.mlp});
    table.add_row({"MLP value", blocks + norm.value_path});
  }
  return table.text(0);
}

std::string roles_table(const std::vector<RoleLine>& roles, std::size_t columns) {
  Table table({{"blocks"},
               {"role"},
               {"tensor", Align::kLeft, 20},
               {"type"},
               {"shape"},
               {"parameters", Align::kRight}});
  for (const RoleLine& line : roles) {
    std::vector<std::string> sizes;
    for (const std::int64_t size : line.shape) sizes.push_back(std::to_string(size));
    table.add_row({ranges_text(line.blocks), role_name(line.role), line.tensor, line.type,
                   join(sizes, " x ") + (line.transposed ? ", transposed" : ""),
                   count_text(line.parameters)});
  }
  return table.text(columns);
}

std::string ffn_text(const FfnShare& ffn) {
  return fmt::format(
      "Feed-forward networks: {} of the parameters ({} of {}), {} of the stored bytes; down projections "
      "alone "
      "{} of the parameters.\n",
      percent_text(share_of(ffn.parameters, ffn.all_parameters)), count_text(ffn.parameters),
      count_text(ffn.all_parameters), percent_text(share_of(ffn.bytes, ffn.all_bytes)),
      percent_text(share_of(ffn.down_parameters, ffn.all_parameters)));
}

std::string memory_text(const ModelCheck& check, std::size_t columns) {
  Table table({{"memory of"}, {"estimate", Align::kRight}, {"formula", Align::kLeft, 40}});
  for (const MemoryNeed& need : check.memory)
    table.add_row({need.work, bytes_text(need.bytes), need.formula});
  const ModelConfig& c = *check.config;
  return table.text(columns) +
         fmt::format(
             "Bytes of tensors at the peak; the program itself takes some 200 MB more. P weights of s "
             "bytes; L = {} layers, D = {}, F = {}, I = {}, V = {}, H = {} query and K = {} key heads "
             "of h = {}.\n",
             c.layers, c.d_model, c.d_ff, (c.block.gated_mlp ? 2 : 1) * c.d_ff, c.vocab, c.heads, c.kv_heads,
             c.head_dim);
}

std::string unsupported_text(const std::vector<Unsupported>& unsupported) {
  if (unsupported.empty()) return "Nothing that emend does is missing for this file.\n";
  std::string text = "Not supported for this file:\n";
  for (const Unsupported& entry : unsupported) text += "- " + entry.what + ": " + entry.why + "\n";
  return text;
}

ResultJson types_json(const ModelCheck& check) {
  ResultJson types = ResultJson::object();
  for (const auto& [name, use] : check.types)
    types[name] = {
        {"tensors", use.tensors}, {"bytes", use.bytes}, {"read", use.can_read}, {"written", use.can_write}};
  return types;
}

ResultJson roles_json(const std::vector<RoleLine>& roles) {
  ResultJson list = ResultJson::array();
  for (const RoleLine& line : roles)
    list.push_back({{"role", role_name(line.role)},
                    {"tensor", line.tensor},
                    {"layers", line.blocks},
                    {"type", line.type},
                    {"shape", line.shape},
                    {"transposed", line.transposed},
                    {"tensors", line.tensors},
                    {"parameters", line.parameters},
                    {"bytes", line.bytes}});
  return list;
}

ResultJson norms_json(const std::vector<NormLine>& norms) {
  ResultJson list = ResultJson::array();
  for (const NormLine& norm : norms)
    list.push_back({{"layers", norm.blocks},
                    {"kind", norm.kind},
                    {"attention", norm.attention},
                    {"mlp", norm.mlp},
                    {"value_path", norm.value_path},
                    {"direct", norm.direct}});
  return list;
}

ResultJson memory_json(const std::vector<MemoryNeed>& memory) {
  ResultJson list = ResultJson::array();
  for (const MemoryNeed& need : memory)
    list.push_back({{"work", need.work}, {"bytes", need.bytes}, {"formula", need.formula}});
  return list;
}

// Everything after the fields that a check has always had.
void add_details(const ModelCheck& check, ResultJson& json) {
  json["format"] = check.format.empty() ? ResultJson(nullptr) : ResultJson(check.format);
  json["architecture"] = check.architecture.empty() ? ResultJson(nullptr) : ResultJson(check.architecture);
  json["reason"] = check.refusal ? ResultJson(check.refusal->what()) : ResultJson(nullptr);
  json["types"] = types_json(check);
  json["roles"] = roles_json(check.roles);
  json["norms"] = norms_json(check.norms);
  json["ffn"] = {{"parameters", check.ffn.parameters},
                 {"all_parameters", check.ffn.all_parameters},
                 {"bytes", check.ffn.bytes},
                 {"all_bytes", check.ffn.all_bytes},
                 {"down_parameters", check.ffn.down_parameters}};
  json["memory"] = memory_json(check.memory);
  json["unsupported"] = ResultJson::array();
  for (const Unsupported& entry : check.unsupported)
    json["unsupported"].push_back({{"what", entry.what}, {"why", entry.why}});
}

}  // namespace

std::string check_text(const ModelCheck& check, std::size_t columns) {
  std::string text = file_table(check) + "\n";
  if (check.config)
    text += roles_table(check.roles, columns) + "\n" + ffn_text(check.ffn) + "\n" +
            memory_text(check, columns) + "\n";
  return text + unsupported_text(check.unsupported);
}

std::string weights_check_text(const Model& model) {
  return "\nAll " + std::to_string(model.roles().size()) +
         " tensors have their role and shape, and all their numbers are finite.\n";
}

std::string tokenizer_check_text(bool has_tokenizer) {
  return has_tokenizer ? "The tokenizer gives texts back as they were.\n"
                       : "There is no tokenizer: emend can load this model, but not edit it.\n";
}

ResultJson model_check_json(const ModelCheck& check) {
  ResultJson json = {{"emend", emend_version()}, {"model", nullptr}};
  if (check.config) {
    json["model"] = model_json(check.path.string(), *check.config, "");
    json["model"]["fingerprint"] = nullptr;  // of weights, which were not read
  }
  json["tensors"] = check.tensors;
  json["tokenizer"] = check.tokenizer.has_value();
  json["passed"] = !check.refusal;
  add_details(check, json);
  return json;
}

ResultJson model_check_json(const ModelCheck& check, const Model& model) {
  ResultJson json = {{"emend", emend_version()},
                     {"model", model_json(model)},
                     {"tensors", model.roles().size()},
                     {"tokenizer", model.has_tokenizer()},
                     {"passed", true}};
  add_details(check, json);
  return json;
}

}  // namespace emend
