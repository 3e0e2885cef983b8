// The options that all commands share, and the parsing of a command line. All that is wrong with one is
// Error(kUsage).
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emend/version.h"

namespace emend {

namespace po = boost::program_options;

struct CommonOptions {
  std::string model;  // --model; empty: not given
  std::string device = "cpu";
  std::string dtype = "float32";
  std::optional<std::string> bos;  // auto, none, or a token; nothing: not given
  int threads = 0;                 // 0: libtorch's default
  std::uint64_t seed = 0;
  std::int64_t token_budget = 4096;
  bool token_budget_given = false;
  std::vector<std::string> given;  // the names of the options that are on the command line, sorted
  std::int64_t memory_bytes = 0;   // 0: no limit
  std::string statistics;          // empty: not given
  std::string json;                // empty: not given
  bool quiet = false;
  std::string log;             // --log; empty: not given
  std::string color = "auto";  // auto, always or never
};

// What one command takes.
struct Syntax {
  std::string command;                // "patch verify"
  std::string synopsis;               // "FILE.yaml [--dry-run]": what follows the command's name
  std::string help;                   // what it does, in a sentence or two
  std::vector<std::string> examples;  // command lines without "emend"
  po::options_description own{"Options"};
  std::string positional;           // the option that takes arguments without a name; empty: there are none
  int positionals = 0;              // how many of them at most; -1: any number
  std::vector<std::string> later;   // options of the contract that this version has not yet
  std::vector<std::string> unused;  // common options that would change nothing here: refused by name
  bool uses_statistics = false;     // takes --statistics
  bool uses_memory = false;         // takes --memory
};

enum class Parsed { kRun, kAnswered };

// Fills what `syntax.own` is bound to, and `common`. kAnswered: --help or --version was asked for and is on
// stdout, or the description of the command (command_help.h).
Parsed parse_options(const Syntax& syntax, const std::vector<std::string>& arguments, CommonOptions& common);

// The options that messages of the library name, sorted.
const std::vector<std::string>& options_in_messages();

// Messages of the library name an option as "the option resume"; at the command line it is "--resume". Text
// of a user stays as it is: what stands in double quotes, and words that are none of options_in_messages(),
// or only the beginning of a longer word or path.
std::string with_dashes(std::string_view message);

// Throws Error(kUsage): `command` wants `what`.
void require_given(bool given, const std::string& command, const std::string& what);

// The one path of a model that a command takes as its argument or as --model. Throws Error(kUsage) unless
// exactly one of the two is given.
const std::string& only_model(const std::string& command, const std::string& argument,
                              const std::string& option);

// Throws Error(kUsage) naming the option when `value` is less than `least`.
void require_at_least(const std::string& option, std::int64_t value, std::int64_t least);

// Throws Error(kUsage) with the nearest one when `value` is none of `known`.
void require_one_of(const std::string& option, const std::string& value,
                    const std::vector<std::string>& known);

}  // namespace emend
