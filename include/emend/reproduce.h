// A run that can be repeated: `emend edit` and `emend eval` leave a file beside their results that says what
// they were made from, and `reproduce` makes them again and compares bytes. docs/formats.md has the keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// What a run read: named by the option that gave it ("data"), or "" for the argument without a name.
struct ReproduceInput {
  std::string option;
  std::filesystem::path file;  // in the file relative to it
  std::string sha256;          // of a folder: of its files' names and hashes; empty: not kept (statistics)
  std::optional<std::string> text;  // of a file, where the user asked for texts
};

struct ReproduceOutput {
  std::string name;  // relative to the folder of the outputs
  std::string sha256;
};

struct ReproduceRecord {
  std::string emend, torch;          // versions
  std::vector<std::string> command;  // "edit" or "eval", then options; "{model}", "{0}", ... stand for paths
  std::filesystem::path model;       // in the file relative to it
  std::string model_fingerprint;
  std::vector<ReproduceInput> inputs;  // "{0}" is the first one
  std::map<std::string, std::string>
      conditions;  // seed, token_budget, device, dtype, threads, cpu, statistics
  std::vector<ReproduceOutput> outputs;
};

// A run that has ended, as the command that ran it knows it.
struct FinishedRun {
  std::string command;                 // "edit" or "eval"
  std::vector<std::string> arguments;  // as they were given, without the command
  std::vector<std::pair<std::string, std::filesystem::path>>
      inputs;  // option and path; empty paths are left out
  std::uint64_t seed = 0;
  std::int64_t token_budget = 0;
  std::string statistics;        // fingerprints; empty: none were used
  std::filesystem::path folder;  // of the outputs; empty: the current one
  std::vector<std::filesystem::path> outputs;
  bool with_texts = false;  // put the texts of input files into the file
};

// PATCH.reproduce.json without the ending of the patch; FOLDER/reproduce.json of a benchmark.
std::filesystem::path reproduce_file_of(const std::filesystem::path& patch);
inline constexpr const char* kReproduceFile = "reproduce.json";

// Writes the file: whole or not at all. Options that only say where results go, and how much is told, are
// left out; threads and token budget are named as they were. Throws Error(kIo).
void leave_reproduce_file(const std::filesystem::path& file, const FinishedRun& run, const Model& model);

// Throws Error: kIo, kFormat (no such file: the key is named).
ReproduceRecord read_reproduce_file(const std::filesystem::path& file);

struct ReproduceOptions {
  std::filesystem::path model;  // where the model is now; empty: where it was
  std::filesystem::path out;    // keeps what is made; empty: a temporary folder
};

// Something that is not as it was: "emend", "torch", "model", "conditions.threads", an input.
struct ReproduceDifference {
  std::string what, then, now;
};
struct ReproducedOutput {
  std::string name, then, now;  // hashes; `now` empty: it was not made
  bool same() const { return then == now; }
};

struct ReproduceOutcome {
  ReproduceRecord record;
  std::vector<ReproducedOutput> outputs;
  std::vector<ReproduceDifference> differences;
  bool reproduced = false;  // all outputs have the same bytes
  double seconds = 0;
};

// Runs `emend ARGUMENTS...`.
using CommandRunner = std::function<void(const std::vector<std::string>& arguments)>;

// Repeats the run of `file` by `run` and compares. Throws Error, before anything is run: kConfig for inputs
// that have changed or are missing (a missing one whose text is in the file is taken from there), for another
// model (its fingerprint; of models over 512 MiB it is compared afterwards), and for outputs outside of their
// folder, which a repetition would overwrite; what read_reproduce_file throws. A search that failed then,
// too, is no error.
ReproduceOutcome reproduce(const std::filesystem::path& file, const ReproduceOptions& options,
                           const CommandRunner& run);

}  // namespace emend
