// emend model info PATH; emend model check PATH
#include <ATen/ATen.h>

#include <iostream>
#include <map>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "io/element_types.h"
#include "pipeline/failure.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace po = boost::program_options;

// Parameters by the part of the model that they belong to, in the order of the forward pass.
using Parts = std::vector<std::pair<std::string, std::int64_t>>;

// `model info PATH` and `model check PATH` take the path as an argument, or as --model.
Parsed parse_model(const std::string& name, const std::string& help,
                   const std::vector<std::string>& arguments, CommonOptions& common) {
  Syntax syntax;
  std::string path;
  syntax.command = "model " + name;
  syntax.synopsis = "PATH";
  syntax.help = help;
  syntax.positional = "path";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("path", po::value(&path));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(path.empty() != common.model.empty(), syntax.command,
                path.empty() ? "the model" : "one path, not two: the model");
  if (!path.empty()) common.model = path;
  return Parsed::kRun;
}

std::int64_t size_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.numel() : 0;
}

Parts count_parameters(const Model& model) {
  const ModelWeights& weights = model.weights();
  std::int64_t attention = 0;
  std::int64_t mlp_in = 0;
  std::int64_t mlp_down = 0;
  std::int64_t norms = size_of(weights.final_norm) + size_of(weights.final_norm_bias);
  for (const BlockWeights& block : weights.blocks) {
    attention += size_of(block.qkv) + size_of(block.qkv_bias) + size_of(block.attention_out) +
                 size_of(block.attention_out_bias);
    mlp_in += size_of(block.mlp_in) + size_of(block.mlp_in_bias);
    mlp_down += size_of(block.mlp_down) + size_of(block.mlp_down_bias);
    norms += size_of(block.attention_norm) + size_of(block.attention_norm_bias) + size_of(block.mlp_norm) +
             size_of(block.mlp_norm_bias);
  }
  const std::int64_t head = model.config().tied_head ? 0 : size_of(weights.head) + size_of(weights.head_bias);
  return {{"token embedding", size_of(weights.token_embedding)},
          {"position embedding", size_of(weights.position_embedding)},
          {"attention", attention},
          {"MLP up (keys)", mlp_in},
          {"MLP down (values)", mlp_down},
          {"norms", norms},
          {model.config().tied_head ? "head (tied)" : "head", head}};
}

std::int64_t total_of(const Parts& parts) {
  std::int64_t total = 0;
  for (const auto& [part, count] : parts) total += count;
  return total;
}

// "F32: 28 tensors, Q4_1: 210 tensors".
std::string stored_types(const Model& model) {
  std::map<std::string, int> counts;
  for (const RoleEntry& entry : model.roles()) ++counts[entry.stored_type];
  std::vector<std::string> parts;
  for (const auto& [type, count] : counts) parts.push_back(type + ": " + std::to_string(count) + " tensors");
  return join(parts);
}

std::string chat_kind(const Tokenizer& tokenizer) {
  if (tokenizer.chat_template().empty()) return "none";
  try {
    render_chat(tokenizer, "hello");
    return "ChatML";
  } catch (const Error& error) {
    return std::string("unusable: ") + error.what();
  }
}

std::string prefix_text(const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const std::int64_t id : tokenizer.automatic_prefix()) pieces.push_back(tokenizer.token_bytes(id));
  return pieces.empty() ? "none" : join(pieces, " ");
}

std::string token_name(const Tokenizer& tokenizer, const std::optional<std::int64_t>& id) {
  return id ? tokenizer.token_bytes(*id) + " (" + std::to_string(*id) + ")" : "none";
}

void print_shape(const Model& model) {
  const ModelConfig& config = model.config();
  Table table({{"what"}, {"value"}});
  table.add_row({"path", model.path().string()});
  table.add_row({"family", config.family});
  table.add_row(
      {"layers", std::to_string(config.layers) + " (0 to " + std::to_string(config.layers - 1) + ")"});
  table.add_row({"d_model", std::to_string(config.d_model)});
  table.add_row({"d_ff", std::to_string(config.d_ff) + (config.gated_mlp ? ", gated" : "")});
  table.add_row({"heads", std::to_string(config.heads) + " queries, " + std::to_string(config.kv_heads) +
                              " keys and values, of " + std::to_string(config.head_dim)});
  table.add_row({"vocabulary", count_text(config.vocab)});
  table.add_row({"positions", count_text(config.max_positions)});
  table.add_row({"stored types", stored_types(model)});
  table.add_row({"in memory", human_bytes(static_cast<std::uint64_t>(model.bytes()))});
  if (model.has_tokenizer()) {
    const Tokenizer& tokenizer = model.tokenizer();
    table.add_row(
        {"tokenizer", count_text(tokenizer.size()) + " ids, fingerprint " + tokenizer.fingerprint()});
    table.add_row({"BOS", token_name(tokenizer, tokenizer.bos()) +
                              ", put in front by itself: " + prefix_text(tokenizer)});
    table.add_row({"EOS", token_name(tokenizer, tokenizer.eos())});
    table.add_row({"chat template", chat_kind(tokenizer)});
  } else {
    table.add_row({"tokenizer", "none"});
  }
  table.add_row({"fingerprint", model.fingerprint()});
  std::cout << table.text(0);
}

void print_parts(const Parts& parts) {
  const std::int64_t total = total_of(parts);
  Table table({{"part"}, {"parameters", Align::kRight}, {"share", Align::kRight}});
  for (const auto& [part, count] : parts)
    table.add_row(
        {part, count_text(count), percent_text(static_cast<double>(count) / static_cast<double>(total))});
  table.add_row({"all", count_text(total), ""});
  std::cout << "\n" << table.text(0);
}

ResultJson tokenizer_json(const Model& model) {
  if (!model.has_tokenizer()) return nullptr;
  const Tokenizer& tokenizer = model.tokenizer();
  const auto id_json = [](const std::optional<std::int64_t>& id) {
    return id ? ResultJson(*id) : ResultJson(nullptr);
  };
  return {{"size", tokenizer.size()},
          {"fingerprint", tokenizer.fingerprint()},
          {"bos", id_json(tokenizer.bos())},
          {"eos", id_json(tokenizer.eos())},
          {"automatic_prefix", tokenizer.automatic_prefix()},
          {"chat_template", chat_kind(tokenizer)}};
}

ResultJson info_json(const Model& model, const Parts& parts) {
  ResultJson parameters;
  for (const auto& [part, count] : parts) parameters[part] = count;
  return {{"emend", emend_version()}, {"model", model_json(model)},
          {"parameters", parameters}, {"total_parameters", total_of(parts)},
          {"bytes", model.bytes()},   {"tokenizer", tokenizer_json(model)}};
}

int info(const std::vector<std::string>& arguments) {
  CommonOptions common;
  if (parse_model("info", "Says what a model file is: family, shape, parameters by part, tokenizer.",
                  arguments, common) == Parsed::kAnswered)
    return kExitDone;
  Console console(common);
  console.keep_json_apart({{}, common.model, {}});
  const Model model = load_model(common.model, common, console);
  const Parts parts = count_parameters(model);
  print_shape(model);
  print_parts(parts);
  console.write_json(info_json(model, parts));
  return kExitDone;
}

void print_roles(const Model& model, std::size_t columns) {
  Table table({{"block", Align::kRight}, {"role"}, {"tensor", Align::kLeft, 20}, {"type"}, {"shape"}});
  for (const RoleEntry& entry : model.roles())
    table.add_row({entry.block < 0 ? "" : std::to_string(entry.block), role_name(entry.role), entry.tensor,
                   entry.stored_type,
                   sizes_text(entry.stored_shape, " x ") + (entry.stored_transposed ? ", transposed" : "")});
  std::cout << table.text(columns);
}

// Ids back to the very text that they came from. Throws Error(kModel) when not.
void check_round_trip(const Tokenizer& tokenizer) {
  for (const std::string text : {"The Eiffel Tower is in Paris.", " two  spaces\n\tand a tab",
                                 "Zürich, 東京, Ελλάδα 😀", "12345 x=3;"}) {
    const std::vector<std::int64_t> ids = tokenizer.encode(text, SpecialTokens::kNone).ids;
    const std::string back = tokenizer.decode(ids, false);
    if (back != text)
      throw Error(ErrorKind::kModel,
                  "the tokenizer does not give back the text " + quote(text) + ", but " + quote(back));
  }
}

int check(const std::vector<std::string>& arguments) {
  CommonOptions common;
  if (parse_model("check",
                  "Loads all of a model, says which tensor plays which role, and tries the tokenizer.",
                  arguments, common) == Parsed::kAnswered)
    return kExitDone;
  Console console(common);
  console.keep_json_apart({{}, common.model, {}});
  const Model model = load_model(common.model, common, console);
  print_roles(model, console.columns());
  std::cout << "\nAll " << model.roles().size()
            << " tensors have their role and shape, and all their numbers are finite.\n";
  if (model.has_tokenizer()) {
    check_round_trip(model.tokenizer());
    if (model.tokenizer().size() > model.config().vocab)
      throw Error(ErrorKind::kModel,
                  common.model + ": the tokenizer has " + std::to_string(model.tokenizer().size()) +
                      " ids, but the embedding only " + std::to_string(model.config().vocab) + " rows");
    std::cout << "The tokenizer gives texts back as they were.\n";
  } else {
    std::cout << "There is no tokenizer: emend can load this model, but not edit it.\n";
  }
  console.write_json({{"emend", emend_version()},
                      {"model", model_json(model)},
                      {"tensors", model.roles().size()},
                      {"tokenizer", model.has_tokenizer()},
                      {"passed", true}});
  return kExitDone;
}

const std::vector<Command> kModelCommands = {
    {"info", "say what a model file is", info},
    {"check", "load all of it and say which tensor plays which role", check},
    {"inspect", "compare it with a base, and look for known patches", model_inspect_command},
};

}  // namespace

int model_command(const std::vector<std::string>& arguments) {
  return run_command("model ", kModelCommands, arguments);
}

}  // namespace emend
