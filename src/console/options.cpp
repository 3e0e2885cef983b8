#include "console/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/variables_map.hpp>
#include <cctype>
#include <iostream>
#include <limits>
#include <sstream>

#include "base/nearest.h"
#include "base/strings.h"
#include "console/command_help.h"
#include "console/option_values.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr int kMostThreads = 1024;

// Numbers are read as signed: boost would take -1 for a large unsigned one.
struct Numbers {
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::string bos, memory;
};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

po::options_description common_group(const Syntax& syntax, CommonOptions& common, Numbers& numbers) {
  po::options_description all;
  auto add = all.add_options();
  add("model", po::value(&common.model)->value_name("PATH"), "safetensors folder or .gguf file");
  add("device", po::value(&common.device)->value_name("DEVICE")->default_value("cpu"),
      "cpu, cuda or cuda:N; cuda:0,cuda:1 spreads the model over both");
  add("dtype", po::value(&common.dtype)->value_name("TYPE")->default_value("float32"),
      "type of weights and activations: float32, bfloat16 or float16");
  add("bos", po::value(&numbers.bos)->value_name("TOKEN"),
      "what begins every text: auto (what the tokenizer itself does), none, or a token");
  add("threads", po::value(&numbers.threads)->value_name("N"),
      "threads of the computation (default: libtorch's choice)");
  add("seed", po::value(&numbers.seed)->value_name("N")->default_value(0), "seed of all that is drawn");
  add("token-budget",
      po::value(&common.token_budget)->value_name("N")->default_value(4096, "4096, on a GPU 16384"),
      "tokens in one pass, at most; a GPU with little free memory gets fewer");
  if (syntax.uses_memory)
    add("memory", po::value(&numbers.memory)->value_name("SIZE"),
        "the most that the process may hold, for example 8G: with less than the weights need, blocks are "
        "read "
        "from the file whenever a pass comes to them");
  if (syntax.uses_statistics)
    add("statistics", po::value(&common.statistics)->value_name("DIR"),
        "second moments of the keys (default: stats/ beside the model)");
  add("json", po::value(&common.json)->value_name("FILE"),
      "write the result as JSON; -: to stdout, and all else to stderr");
  add("quiet", po::bool_switch(&common.quiet), "no progress and no notes on stderr");
  add("log", po::value(&common.log)->value_name("FILE"),
      "also write all that is said, on stdout and stderr, into this file, without colours and bars");
  add("color", po::value(&common.color)->value_name("WHEN")->default_value("auto"),
      "colours on stdout: auto (on a terminal, unless NO_COLOR is set), always or never");
  add("help,h", "this text");
  add("version", "the version of emend");
  po::options_description group("Common options", help_columns());
  for (const auto& option : all.options())
    if (!contains(syntax.unused, option->long_name())) group.add(option);
  return group;
}

std::vector<std::string> option_names(const po::options_description& all) {
  std::vector<std::string> names;
  for (const auto& option : all.options()) names.push_back("--" + option->long_name());
  return names;
}

[[noreturn]] void fail(const Syntax& syntax, const std::string& what) {
  throw Error(ErrorKind::kUsage, fmt::format("{}: {}", syntax.command, what));
}

[[noreturn]] void fail_unknown(const Syntax& syntax, const po::options_description& all,
                               const std::string& name) {
  const std::size_t dashes = std::min(name.find_first_not_of('-'), name.size());
  const std::string bare = name.substr(dashes, name.find('=') - dashes);  // "--name=value" comes whole
  if (contains(syntax.unused, bare)) fail(syntax, fmt::format("the option --{} has no effect here", bare));
  if (contains(syntax.later, bare))
    fail(syntax, fmt::format("the option --{} is not part of this version yet", bare));
  if (bare == "memory")
    fail(syntax, "the option --memory has no effect here: generate, stats, locate and edit take it");
  const auto near = nearest_name("--" + bare, option_names(all));
  fail(syntax,
       fmt::format("unknown option {}{}", name.substr(0, name.find('=')),
                   near ? "; did you mean " + *near + "?" : "; see emend " + syntax.command + " --help"));
}

void refuse_empty(const Syntax& syntax, const po::variables_map& values) {
  for (const auto& [name, value] : values) {
    const auto* const text = value.empty() ? nullptr : boost::any_cast<std::string>(&value.value());
    if (text != nullptr && text->empty() && name != syntax.positional)
      fail(syntax, fmt::format("--{} is empty", name));
  }
}

void parse_into(const Syntax& syntax, const std::vector<std::string>& arguments,
                const po::options_description& all, po::variables_map& values) {
  const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
  po::positional_options_description positional;
  if (!syntax.positional.empty()) positional.add(syntax.positional.c_str(), syntax.positionals);
  try {
    const auto parsed =
        po::command_line_parser(arguments).options(all).positional(positional).style(style).run();
    po::store(parsed, values);
    if (values.count("help") > 0 || values.count("version") > 0) return;
    refuse_empty(syntax, values);
    po::notify(values);
  } catch (const po::unknown_option& error) {
    fail_unknown(syntax, all, error.get_option_name());
  } catch (const po::too_many_positional_options_error&) {
    fail(syntax, fmt::format("too many arguments; usage: emend {} {}", syntax.command, syntax.synopsis));
  } catch (const po::error& error) {
    fail(syntax, error.what());
  }
}

void print_help(const Syntax& syntax, const po::options_description& common) {
  std::cout << wrapped_help("Usage: emend " + syntax.command + " " + syntax.synopsis) << "\n"
            << wrapped_help(syntax.help);
  // An option that takes the arguments without a name is told by the synopsis.
  po::options_description own("Options", help_columns());
  for (const auto& option : syntax.own.options())
    if (option->long_name() != syntax.positional) own.add(option);
  if (!own.options().empty()) std::cout << "\n" << own;
  std::cout << "\n" << common;
  if (!syntax.examples.empty()) std::cout << "\nExamples:\n";
  for (const std::string& example : syntax.examples) std::cout << "  emend " << example << "\n";
}

void check_common(CommonOptions& common, const Numbers& numbers, const po::variables_map& values) {
  if (values.count("threads") > 0) {
    require_at_least("threads", numbers.threads, 1);
    if (numbers.threads > kMostThreads)
      throw Error(ErrorKind::kUsage,
                  fmt::format("--threads must be at most {}, found {}", kMostThreads, numbers.threads));
  }
  require_at_least("seed", numbers.seed, 0);
  require_at_least("token-budget", common.token_budget, 1);
  common.token_budget_given = !values["token-budget"].defaulted();
  require_one_of("color", common.color, {"auto", "always", "never"});
  require_one_of("dtype", common.dtype, {"float32", "bfloat16", "float16"});
  std::istringstream devices(common.device + ",");
  for (std::string device; std::getline(devices, device, ',');) {
    const bool numbered = device.size() > 5 && device.starts_with("cuda:") &&
                          device.find_first_not_of("0123456789", 5) == std::string::npos;
    if (!numbered) require_one_of("device", device, {"cpu", "cuda", "cuda:0"});
  }
}

// The option whose name `text` begins with, if it is one that messages name and a whole word.
std::string_view option_at(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), text.size());
  const std::string_view name = text.substr(0, end);
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const bool goes_on =
      end < text.size() && (is_word(text[end]) || text[end] == '_' || text[end] == '/' ||
                            (text[end] == '.' && end + 1 < text.size() && is_word(text[end + 1])));
  const auto& known = options_in_messages();
  return !goes_on && std::find(known.begin(), known.end(), name) != known.end() ? name : std::string_view();
}

}  // namespace

Parsed parse_options(const Syntax& syntax, const std::vector<std::string>& arguments, CommonOptions& common) {
  Numbers numbers;
  const po::options_description shared = common_group(syntax, common, numbers);
  if (arguments.size() == 1 && arguments[0] == kDescribe) {
    std::cout << described(syntax, shared);
    return Parsed::kAnswered;
  }
  if (!arguments.empty() && arguments.back() == kHelpOfCommand) {
    const std::vector<std::string> beyond(arguments.begin(), arguments.end() - 1);
    if (!beyond.empty())
      throw Error(ErrorKind::kUsage,
                  fmt::format("there is no command {}; emend help {} tells of the one that there is",
                              quote(syntax.command + " " + join(beyond, " ")), syntax.command));
    print_help(syntax, shared);
    return Parsed::kAnswered;
  }
  po::options_description all;
  all.add(syntax.own).add(shared);
  po::variables_map values;
  parse_into(syntax, arguments, all, values);
  if (values.count("help") > 0) {
    print_help(syntax, shared);
    return Parsed::kAnswered;
  }
  if (values.count("version") > 0) {
    std::cout << "emend " << emend_version() << "\n";
    return Parsed::kAnswered;
  }
  check_common(common, numbers, values);
  for (const auto& [name, value] : values)
    if (!value.defaulted()) common.given.push_back(name);
  common.threads = static_cast<int>(numbers.threads);
  common.seed = static_cast<std::uint64_t>(numbers.seed);
  if (values.count("bos") > 0) common.bos = numbers.bos;
  if (!numbers.memory.empty()) common.memory_bytes = parse_bytes("memory", numbers.memory);
  return Parsed::kRun;
}

const std::vector<std::string>& options_in_messages() {
  static const std::vector<std::string> names = split_at(
      "against answer answer-tokens background base beyond block bos budget-drift cells check clusters "
      "coalitions curve device draws drift-tokens dtype edited-score examples facts false-alarms fast force "
      "forms "
      "forms-file generations idf index join keep-decision keep-going keep-sums knockout-window known "
      "layers least lens limit longest max-new members memory method mode most mutations natural on "
      "other-subjects out pairs paraphrase patterns plus prompt random resume sampled samples shard "
      "share shared sharpest sizes sparsity statistics steps subject subject-occurrence subjects sweeps "
      "temperature text-field threshold token token-budget tokens top topics trial trial-data "
      "trial-dataset trial-layers triggers trust-model-name undo unedited unit until url window",
      ' ');
  return names;
}

std::string with_dashes(std::string_view message) {
  constexpr std::string_view kWords = "the option ";
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < message.size();) {
    const std::string_view rest = message.substr(i);
    const bool begins_a_word =
        i == 0 || std::string_view(" (").find(message[i - 1]) != std::string_view::npos;
    const std::string_view name =
        !quoted && begins_a_word && rest.starts_with(kWords) ? option_at(rest.substr(kWords.size())) : "";
    if (!name.empty()) {
      text.append("--").append(name);
      i += kWords.size() + name.size();
      continue;
    }
    const std::size_t length = quoted && rest.size() > 1 && rest[0] == '\\' ? 2 : 1;  // \" ends no quote
    if (rest[0] == '"') quoted = !quoted;
    text.append(rest.substr(0, length));
    i += length;
  }
  return text;
}

void require_given(bool given, const std::string& command, const std::string& what) {
  if (!given)
    throw Error(ErrorKind::kUsage,
                fmt::format("{}: {} is missing; see emend {} --help", command, what, command));
}

const std::string& only_model(const std::string& command, const std::string& argument,
                              const std::string& option) {
  if (!argument.empty() && !option.empty())
    throw Error(ErrorKind::kUsage, fmt::format("{}: the model is given twice, as {} and as --model {}; leave "
                                               "one out",
                                               command, argument, option));
  require_given(!argument.empty() || !option.empty(), command, "the model");
  return argument.empty() ? option : argument;
}

void require_at_least(const std::string& option, std::int64_t value, std::int64_t least) {
  if (value < least)
    throw Error(ErrorKind::kUsage, fmt::format("--{} must be at least {}, found {}", option, least, value));
}

void require_one_of(const std::string& option, const std::string& value,
                    const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) == known.end())
    throw Error(ErrorKind::kUsage,
                fmt::format("--{} cannot be {}{}", option, quote(value), did_you_mean(value, known)));
}

}  // namespace emend
