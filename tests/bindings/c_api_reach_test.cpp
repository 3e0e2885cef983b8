// What of the library C reaches: every field of every options struct of the public headers is a field of a C
// struct, an argument of a C function, an option of an analysis of memories, or left out for a reason. The
// headers are read, so that a new field, and a new struct, fail here until somebody decides.
#include <emend/c_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "c_handles.h"
#include "structure/cpp_tokens.h"
#include "structure/source_files.h"

namespace emend::test {
namespace {

using structure::SourceFile;
using structure::Token;
using Fields = std::vector<std::string>;
using Json = nlohmann::json;

struct StructText {
  std::string base;  // empty: none
  Fields fields;     // its own
};

// The fields that one statement of a struct's body declares; none for functions, types and aliases.
Fields declared(const std::vector<Token>& statement) {
  static const std::set<std::string> kNoFields = {"using", "enum", "struct", "class", "friend", "static"};
  if (statement.empty() || kNoFields.count(statement.front().text) != 0) return {};
  Fields names;
  std::string last;
  int angles = 0, braces = 0;
  bool initial = false;  // behind the name
  for (const Token& token : statement) {
    const std::string& text = token.text;
    if (text == "(" && !initial && braces == 0 && angles == 0) return {};  // a function
    if (text == "{") ++braces;
    if (text == "}") --braces;
    if (braces > 0 || text == "}") {
      initial = true;
      continue;
    }
    if (!initial && text == "<") ++angles;
    if (!initial && text == ">") --angles;
    if (text == "=") initial = true;
    if (angles == 0 && text == ",") {
      names.push_back(last);
      initial = false;
    }
    if (!initial && structure::is_word(token)) last = text;
  }
  names.push_back(last);
  return names;
}

// All structs of a file by name, at whatever depth they stand in namespaces.
void find_structs(const SourceFile& file, std::map<std::string, StructText>& found) {
  const std::vector<Token> tokens = structure::cpp_tokens(file.text);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (tokens[i].text != "struct") continue;
    std::size_t at = i + 2;
    StructText structure;
    if (tokens[at].text == ":") {
      structure.base = tokens[at + 1].text;
      at += 2;
    }
    if (tokens[at].text != "{") continue;
    std::vector<Token> statement;
    int depth = 0;
    for (++at; at < tokens.size(); ++at) {
      const std::string& text = tokens[at].text;
      if (depth == 0 && text == "}") break;
      if (text == "{" || text == "(") ++depth;
      if (text == "}" || text == ")") --depth;
      const bool body_ends = depth == 0 && text == "}" && at + 1 < tokens.size() &&
                             tokens[at + 1].text != ";" && tokens[at + 1].text != ",";
      if (depth == 0 && (text == ";" || body_ends)) {
        for (std::string& name : declared(statement)) structure.fields.push_back(std::move(name));
        statement.clear();
      } else {
        statement.push_back(tokens[at]);
      }
    }
    found[tokens[i + 1].text] = structure;
  }
}

struct Headers {
  std::map<std::string, StructText> structs;
  std::string c_text;  // of the C headers, on one line

  // Those of its base in front.
  Fields fields(const std::string& name) const {
    const StructText& text = structs.at(name);
    Fields all = text.base.empty() ? Fields() : fields(text.base);
    all.insert(all.end(), text.fields.begin(), text.fields.end());
    return all;
  }
};

const Headers& headers() {
  static const Headers read = [] {
    Headers result;
    for (const SourceFile& file : structure::read_sources(EMEND_SOURCE_DIR, {"include"})) {
      find_structs(file, result.structs);
      if (file.path.find("c_api") != std::string::npos) result.c_text += file.text;
    }
    result.c_text = std::regex_replace(result.c_text, std::regex("\\s+"), " ");
    return result;
  }();
  return read;
}

// Where C has a field: "emend_edit_options.seed", a field of a C struct; "explain: prompt", an option of an
// analysis; "emend_write(out)", an argument. Or why it has none: "-- reason".
using Places = std::map<std::string, std::string>;

const char* const kOwnMethods = "-- methods of one's own are C++ objects";
const char* const kProcesses =
    "-- processes that share a run are C++ objects; shard and shards are parts of it";
const char* const kGrids = "-- run_locate ranks layers by these grids; trace_fact alone can do without";

// All fields have their names in this C struct, but for those of `others`.
Places same_names(const std::string& c_struct, const Fields& names, Places others = {}) {
  for (const std::string& name : names) others.emplace(name, c_struct + "." + name);
  return others;
}
Places same_options(const std::string& analysis, const Fields& names, Places others = {}) {
  for (const std::string& name : names) others.emplace(name, analysis + ": " + name);
  return others;
}

const std::map<std::string, Places> kReached = {
    {"EditRunOptions", same_names("emend_edit_options",
                                  {"seed", "token_budget", "keep_going", "on", "run_file", "resume",
                                   "run_file_seconds", "memory_bytes"},
                                  {{"editors", kOwnMethods},
                                   {"group", "-- processes that mpirun starts run the command emend edit"},
                                   {"budget", "emend_edit_options.budget_drift"}})},
    {"DriftBudget",
     {{"measure", "emend_edit_options.budget_drift"},
      {"limit", "emend_edit_options.budget_drift"},
      {"batch", "emend_edit_options.budget_batch"}}},
    {"LocateOptions",
     same_names(
         "emend_locate_options",
         {"prompt", "subject", "answer", "occurrence", "facts", "limit", "out", "resume", "shard", "shards",
          "bos", "statistics", "trial", "check", "trial_data", "trial_dataset", "method", "keep_decision"},
         {{"trace", "emend_locate_options.noise"}, {"trial_layers", "emend_locate_options.layers"}})},
    {"TraceOptions", same_names("emend_locate_options",
                                {"form", "noise", "samples", "window", "knockout_window", "severed",
                                 "knockout", "exact_share", "estimates", "seed", "token_budget"},
                                {{"prefix", "emend_locate_options.bos"},
                                 {"block_grid", kGrids},
                                 {"window_grids", kGrids},
                                 {"subject_last_only", kGrids}})},
    {"StatisticsOptions", same_names("emend_statistics_options",
                                     {"corpus", "text_field", "tokens", "seed", "window", "block_tokens",
                                      "token_budget", "shard", "shards", "layers", "memory_bytes", "until"},
                                     {{"prefix", "emend_statistics_options.bos"},
                                      {"conditions", "-- an edit sets it: its factor gives the condition"}})},
    {"StatisticsFolder",
     same_names("emend_statistics_options", {"resume", "keep_sums"}, {{"path", "emend_statistics(folder)"}})},
    {"StatisticsJob",
     {{"folder", "emend_statistics(folder)"},
      {"dry_run", "emend_statistics_options.plan_only"},
      {"texts", "emend_statistics_options.no_texts"},
      {"group", kProcesses},
      {"planned", "-- remarks on the plan are in the JSON"}}},
    {"BenchmarkOptions",
     same_names("emend_benchmark_options", {"dataset",        "data",         "first_record",
                                            "end_record",     "known",        "mode",
                                            "curve",          "methods",      "layer",
                                            "statistics",     "bos",          "form",
                                            "seed",           "plus",         "edited_neighbours",
                                            "other_subjects", "natural",      "generations",
                                            "hold_out",       "snippets",     "idf",
                                            "drift_text",     "drift_tokens", "out",
                                            "resume",         "shard",        "shards",
                                            "sampled",        "temperature",  "forms",
                                            "forms_file",     "both_forms"},
                {{"editors", kOwnMethods}})},
    {"BenchmarkConditions",
     {{"token_budget", "emend_benchmark_options.token_budget"},
      {"load_seconds", "-- the caller loads the model, and may have had it for long"}}},
    {"BootstrapOptions", same_names("emend_compare_options", {"seed", "draws"})},
    {"AbilityOptions", same_names("emend_abilities_options", {"bos", "token_budget"},
                                  {{"bootstrap", "emend_abilities_options.draws"}})},
    {"ConvertOptions",
     {{"dataset", "emend_convert_facts(dataset)"},
      {"in", "emend_convert_facts(in)"},
      {"out", "emend_convert_facts(out)"},
      {"limit", "emend_convert_options.limit"}}},
    {"PromptOptions", same_names("emend_generate_options", {"bos", "form", "max_new", "temperature", "seed",
                                                            "token_budget", "progress", "top"})},
    {"VerifyOptions", same_names("emend_verify_options", {"token_budget"})},
    {"ApplyOptions",
     same_names("emend_write_options", {"type", "statistics", "imatrix", "check", "token_budget"},
                {{"out", "emend_write(out)"},
                 {"in_place", "emend_write_in_place(model)"},
                 {"undo", "emend_write_in_place(undo)"},
                 {"force", "emend_write_options.flags"}})},
    {"ComposeOptions", same_names("emend_compose_options", {"statistics", "token_budget"})},
    {"AdapterOptions",
     same_names("emend_export_options", {"format", "base_name"}, {{"out", "emend_export(out)"}})},
    {"ModelOptions", same_names("emend_load_options", {"device", "dtype", "threads"},
                                {{"weight_bytes", "emend_load_options.memory_bytes"}})},
    // ---- memories
    {"ScanOptions", same_options("scan",
                                 {"corpus", "text_field", "tokens", "seed", "window", "block_tokens",
                                  "token_budget", "shard", "shards", "layers", "top", "random", "dedup",
                                  "include_first", "sentences", "own_text"},
                                 {{"prefix", "scan: bos"}})},
    {"ScanFolder", {{"path", "scan: out"}, {"resume", "scan: resume"}}},
    {"ValueOptions", same_options("values", {"layers", "lens", "top", "index", "out", "seed", "sharpest"})},
    {"LensOptions",
     {{"kind", "values: lens"}, {"map", "values: lens"}, {"mask_special", "values: mask_special"}}},
    {"AggregateOptions",
     same_options(
         "aggregate",
         {"corpus", "text_field", "tokens", "seed", "window", "token_budget", "layers", "examples", "lens",
          "coalitions", "sentences", "sparsity", "shard", "shards"},
         {{"prefix", "aggregate: bos"}, {"block_tokens", "-- the program has no option for it either"}})},
    {"AggregateFolder", same_options("aggregate", {"resume", "join"}, {{"path", "aggregate: out"}})},
    {"CoactiveOptions",
     same_options(
         "coactive",
         {"corpus", "text_field", "tokens", "seed", "window", "token_budget", "cells", "layers", "most",
          "index", "beyond", "threshold", "least", "pairs", "sentences", "shard", "shards"},
         {{"prefix", "coactive: bos"}, {"block_tokens", "-- the program has no option for it either"}})},
    {"ExplainOptions", same_options("explain", {"prompt", "token", "against", "bos", "top", "cells",
                                                "effects", "sources", "index"})},
    {"TimelineOptions", same_options("timeline", {"prompt", "subject", "occurrence", "token", "bos",
                                                  "samples", "window", "share", "seed", "token_budget"})},
    {"KnowledgeOptions",
     same_options("knowledge", {"facts", "steps", "threshold", "shared", "sizes", "draws", "seed", "bos"})},
    {"LayerChangeOptions", same_options("layers", {"facts", "window", "bos", "token_budget"})},
    {"ClusterOptions", same_options("cluster", {"layers", "clusters", "sweeps", "members", "top", "seed"})},
    {"SetOptions", same_options("set", {"prompt", "settings", "bos", "max_new", "top"})},
    {"CompareOptions", same_options("compare", {"layers", "cells", "top", "lens", "index_a", "index_b"})},
    {"FootprintOptions", same_options("footprint", {"cells", "top", "lens", "index"})},
    {"BakeOptions", same_options("bake", {"settings", "prompt", "bos", "token_budget"})},
    {"PatternOptions", same_options("patterns", {"index", "layers", "cells", "top", "background", "seed",
                                                 "topics", "annotations"})},
    {"MutationOptions",
     same_options("patterns", {"unit", "clip", "longest", "token_budget"}, {{"top", "patterns: mutations"}})},
    {"EffectOptions",
     same_options("effects", {"index", "layers", "cells", "triggers", "longest", "token_budget"})},
    {"AuditOptions",
     same_options("audit", {"index", "patterns", "layers", "least", "cells", "duplicate", "tokens"})},
    {"ExportOptions", same_options("export", {"form", "index", "out", "layers", "model", "set"})},
};

// Options of what no run offers to its callers as it is.
const std::map<std::string, std::string> kNoRuns = {
    {"TextOptions", "the base of StatisticsOptions, ScanOptions, AggregateOptions and CoactiveOptions"},
    {"CheckOptions", "of measure_facts: the runs fill them from their own"},
    {"GenerateOptions", "of generate(): PromptOptions are those of the run"},
    {"ChatOptions", "the day that chat templates are told"},
    {"WrapOptions", "of tensors that a Python program holds"},
    {"AnswerKlOptions", "of `emend eval kl`, which C does not have"},
    {"EditedSubjectsOptions", "of find_edited_subjects, which C does not have"},
    {"KlOptions", "of base files of llama-perplexity, which C does not have"},
    {"KlWriteOptions", "the same"},
    {"KlRunOptions", "the same"},
    {"SurviveOptions", "of `emend eval survive`, which C does not have"},
    {"ExportModelOptions", "of `emend export model`, which C does not have"},
    {"ReproduceOptions", "repeats command lines of the program"},
};

Json analyses() {
  emend_text* text = nullptr;
  must(emend_memories_list(&text));
  return Json::parse(taken(text));
}

bool has_option(const Json& analyses, const std::string& analysis, const std::string& option) {
  if (!analyses.contains(analysis)) return false;
  const Json& options = analyses.at(analysis).at("options");
  return std::any_of(options.begin(), options.end(),
                     [&](const Json& one) { return one.at("name") == option; });
}

// Whether C has such a place.
bool exists(const std::string& place, const Json& analyses) {
  if (place.starts_with("-- ")) return place.size() > 10;
  std::smatch parts;
  if (std::regex_match(place, parts, std::regex("(\\w+)\\.(\\w+)"))) {
    const auto found = headers().structs.find(parts[1]);
    if (found == headers().structs.end()) return false;
    const Fields& fields = found->second.fields;
    return std::find(fields.begin(), fields.end(), parts[2]) != fields.end();
  }
  if (std::regex_match(place, parts, std::regex("(\\w+): (\\w+)")))
    return has_option(analyses, parts[1], parts[2]);
  if (std::regex_match(place, parts, std::regex("(\\w+)\\((\\w+)\\)")))
    return std::regex_search(headers().c_text, std::regex("EMEND_API emend_status " + parts[1].str() +
                                                          "\\([^;]*\\b" + parts[2].str() + "[,)]"));
  return false;
}

TEST(Reach, EveryFieldOfAnOptionsStructIsInCOrLeftOutForAReason) {
  const Json list = analyses();
  for (const auto& [name, places] : kReached) {
    ASSERT_EQ(headers().structs.count(name), 1U) << name;
    std::set<std::string> fields, told;
    for (const std::string& field : headers().fields(name)) fields.insert(field);
    for (const auto& [field, place] : places) {
      told.insert(field);
      EXPECT_TRUE(exists(place, list)) << name << "::" << field << ": C has no " << place;
    }
    EXPECT_EQ(fields, told) << name << ": a field that C does not know, or one that is gone";
  }
}

TEST(Reach, EveryOptionsStructIsLookedAt) {
  for (const auto& [name, text] : headers().structs)
    if (name.ends_with("Options")) {
      EXPECT_TRUE(kReached.count(name) != 0 || kNoRuns.count(name) != 0) << name;
    }
  for (const auto& [name, reason] : kNoRuns) EXPECT_EQ(headers().structs.count(name), 1U) << name;
}

// The reader of headers itself: what it would miss, it would not compare.
TEST(Reach, FieldsAreReadAsTheyStand) {
  std::map<std::string, StructText> found;
  find_structs({"x.h",
                "namespace a { struct Base { int x = 0, y{1}; };\n"
                "struct S : Base { enum class K { kA, kB }; std::map<int, std::string> m = {};\n"
                "  std::string text() const { return \"}\"; } K k = K::kA; // int hidden;\n"
                "  std::function<void(int)> f; const char* const* list; int n(int); };\n"
                "struct Later; typedef struct c_struct { size_t size; } c_struct; }"},
               found);
  EXPECT_EQ(found.at("Base").fields, (Fields{"x", "y"}));
  EXPECT_EQ(found.at("S").base, "Base");
  EXPECT_EQ(found.at("S").fields, (Fields{"m", "k", "f", "list"}));
  EXPECT_EQ(found.at("c_struct").fields, (Fields{"size"}));
  EXPECT_EQ(found.count("Later"), 0U);
}

// docs/embedding.md says what C reaches: each function, each analysis with its options.
TEST(Reach, ThePageNamesEveryFunctionAndEveryOption) {
  std::ostringstream stream;
  stream << std::ifstream(std::string(EMEND_SOURCE_DIR) + "/docs/embedding.md").rdbuf();
  const std::string page = stream.str();
  const std::regex function("EMEND_API [^;(]*\\b(emend_\\w+)\\(");
  int functions = 0;
  for (std::sregex_iterator i(headers().c_text.begin(), headers().c_text.end(), function), end; i != end;
       ++i) {
    ++functions;
    EXPECT_NE(page.find("`" + (*i)[1].str() + "`"), std::string::npos) << (*i)[1];
  }
  EXPECT_GT(functions, 40);
  const Json list = analyses();
  for (const auto& [name, analysis] : list.items()) {
    std::smatch row;
    ASSERT_TRUE(std::regex_search(page, row, std::regex("\\n\\| `" + name + "` \\|[^\\n]*"))) << name;
    for (const Json& option : analysis.at("options")) {
      const std::string key = "`" + option.at("name").get<std::string>() + "`";
      EXPECT_NE(row.str().find(key), std::string::npos) << name << " " << key;
    }
  }
}

}  // namespace
}  // namespace emend::test
