// Data flows one way: a folder includes only folders below it. The table here is the rule; docs tell it in
// words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "include_graph.h"

namespace emend::structure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::vector<std::string> kSourceFolders = {"include", "src", "editors", "eval", "datasets"};

const FolderRules kRules = {
    .includes =
        {
            {"base", {}},
            {"config", {"base"}},
            {"io", {"base"}},
            {"text", {"base"}},
            {"linalg", {"base"}},
            {"datasets", {"base"}},
            {"report", {"base"}},
            {"model", {"text", "io", "base"}},
            {"analysis", {"model", "text", "linalg", "report", "io", "base"}},
            {"memories", {"analysis", "model", "text", "linalg", "report", "io", "base"}},
            {"measure", {"analysis", "model", "text", "linalg", "io", "base"}},
            {"editors", {"analysis", "model", "text", "linalg", "config", "base"}},
            {"eval",
             {"editor.h", "editor_cache.h", "datasets", "measure", "analysis", "model", "text", "report",
              "config", "io", "base"}},
            {"delivery", {"measure", "model", "io", "linalg", "base"}},
            {"pipeline",
             {"editor.h", "editor_cache.h", "search_journal.h", "eval", "datasets", "delivery", "measure",
              "memories", "analysis", "model", "text", "linalg", "config", "report", "io", "base"}},
            {"reports",
             {"editor.h", "pipeline", "eval", "delivery", "measure", "memories", "analysis", "model",
              "report", "base"}},
            {"serve", {"pipeline", "delivery", "analysis", "model", "text", "base"}},
            {"console", {"report", "io", "base"}},
            {"cli", {"*"}},
            {"bindings",
             {"editor.h", "editor_cache.h", "search_journal.h", "reports", "pipeline", "eval", "datasets",
              "delivery", "measure", "memories", "analysis", "model", "text", "linalg", "config", "report",
              "io", "base"}},
            {"umbrella", {"*"}},  // include/emend/emend.h
        },
    .everyone_may_include = {"records"},
    .hidden = {"cli", "bindings", "tests"},
    .public_headers =
        {
            {"error.h", "base"},
            {"compute.h", "base"},
            {"progress.h", "base"},
            {"version.h", "base"},
            {"shard_group.h", "base"},
            {"records.h", "records"},
            {"fact_state.h", "records"},
            {"tensor_file.h", "io"},
            {"tokenizer.h", "text"},
            {"model.h", "model"},
            {"pass.h", "model"},
            {"wrap_model.h", "model"},
            {"edit.h", "model"},
            {"generate.h", "model"},
            {"edit_stack.h", "model"},
            {"statistics.h", "analysis"},
            {"statistics_run.h", "analysis"},
            {"statistics_store.h", "analysis"},
            {"memory_estimate.h", "analysis"},
            {"text_run.h", "analysis"},
            {"locate.h", "analysis"},
            {"memory_id.h", "memories"},
            {"memory_index.h", "memories"},
            {"memory_view.h", "memories"},
            {"memory_scan.h", "memories"},
            {"memory_values.h", "memories"},
            {"memory_search.h", "memories"},
            {"memory_footprint.h", "memories"},
            {"memory_explain.h", "memories"},
            {"memory_lens.h", "memories"},
            {"memory_knowledge.h", "memories"},
            {"memory_labels.h", "memories"},
            {"memory_layers.h", "memories"},
            {"memory_patterns.h", "memories"},
            {"memory_export.h", "memories"},
            {"memory_compare.h", "memories"},
            {"memory_cluster.h", "memories"},
            {"memory_coactive.h", "memories"},
            {"memory_effects.h", "memories"},
            {"memory_audit.h", "memories"},
            {"memory_aggregate.h", "memories"},
            {"editor.h", "editors"},
            {"checks.h", "measure"},
            {"bleed.h", "measure"},
            {"protection.h", "records"},
            {"judge.h", "measure"},
            {"abilities.h", "eval"},
            {"answer_kl.h", "eval"},
            {"kl.h", "eval"},
            {"kl_run.h", "pipeline"},
            {"survive_run.h", "pipeline"},
            {"edited_subjects.h", "pipeline"},
            {"reproduce.h", "pipeline"},
            {"harness.h", "pipeline"},
            {"eval.h", "eval"},
            {"eval_results.h", "eval"},
            {"eval_run.h", "eval"},
            {"dataset.h", "datasets"},
            {"patch.h", "delivery"},
            {"report.h", "reports"},
            {"editor_cache.h", "editors"},
            {"search_journal.h", "editors"},
            {"emend.h", "umbrella"},
            {"edit_run.h", "pipeline"},
            {"patch_run.h", "pipeline"},
            {"statistics_job.h", "pipeline"},
            {"convert_run.h", "pipeline"},
            {"generate_run.h", "pipeline"},
            {"model_summary.h", "pipeline"},
            {"memory_set.h", "pipeline"},
            {"memory_bake.h", "pipeline"},
            {"memory_timeline.h", "pipeline"},
            {"model_check.h", "pipeline"},
            {"locate_run.h", "pipeline"},
            {"c_api.h", "bindings"},
            {"c_api_model.h", "bindings"},
            {"c_api_edit.h", "bindings"},
            {"c_api_memories.h", "bindings"},
            {"c_api_run.h", "bindings"},
            {"trace_fact.h", "records"},
            {"write_back.h", "delivery"},
            {"adapter.h", "delivery"},
            {"export_model.h", "delivery"},
            {"patch_algebra.h", "delivery"},
            {"inspect.h", "delivery"},
        },
    .interface_headers = {"editor.h", "editor_cache.h", "search_journal.h"},
};

const std::set<std::string> kSeesTorch = {"linalg",   "model",   "analysis", "memories",
                                          "measure",  "editors", "eval",     "delivery",
                                          "pipeline", "serve",   "cli",      "bindings"};

// fmt is not here: every folder formats its messages.
const std::vector<LibraryRule> kLibraries = {
    {"torch/", kSeesTorch},
    {"ATen/", kSeesTorch},
    {"c10/", kSeesTorch},
    {"yaml-cpp/", {"config"}},
    {"boost/", {"console", "cli"}},
    {"Eigen/", {}},  // tests alone
    {"oniguruma", {"text"}},
    {"utf8proc", {"base", "text", "report"}},
    {"kainjow/", {"report"}},
    {"httplib", {"serve"}},
    {"openssl/", {"base"}},
    {"xxh", {"base"}},
    {"zlib", {"base"}},
    {"zstd", {"base"}},
    {"mpi", {"base"}},
};

std::vector<SourceFile> project() {
  return read_sources(EMEND_SOURCE_DIR, kSourceFolders);
}

std::string listing(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& v : violations)
    text += v.file + ":" + std::to_string(v.line) + ": " + v.message + "\n";
  return text;
}

// What the rules say about `text` as the only line of `path`.
std::vector<Violation> judge(const std::string& path, const std::string& text) {
  return find_violations({{path, text}}, kRules, kLibraries);
}

TEST(IncludeDirection, TheProjectKeepsToTheTable) {
  const std::vector<SourceFile> files = project();
  ASSERT_THAT(files, Not(IsEmpty()));
  EXPECT_EQ(listing(find_violations(files, kRules, kLibraries)), "");
}

TEST(IncludeDirection, TheProjectHasNoCycles) {
  EXPECT_THAT(find_cycle(file_graph(project())), IsEmpty());
  EXPECT_THAT(find_cycle(folder_graph(project(), kRules)), IsEmpty());
}

TEST(IncludeDirection, TheTableItselfHasNoCycle) {
  Graph table;
  for (const auto& [folder, targets] : kRules.includes) {
    for (const std::string& target : targets) {
      const auto header = kRules.public_headers.find(target);
      table[folder].insert(header == kRules.public_headers.end() ? target : header->second);
    }
  }
  EXPECT_THAT(find_cycle(table), IsEmpty());
}

TEST(IncludeDirection, AForbiddenArrowIsFound) {
  const std::vector<Violation> found = judge("src/io/x.cpp", "// text\n#include \"model/weights.h\"\n");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].file, "src/io/x.cpp");
  EXPECT_EQ(found[0].line, 2);
  EXPECT_EQ(found[0].message, "io may not include model (src/model/weights.h)");
}

TEST(IncludeDirection, AForbiddenArrowIsFoundHoweverItIsWritten) {
  EXPECT_THAT(judge("src/io/x.cpp", "  #  include <emend/model.h>"), SizeIs(1));
  EXPECT_THAT(judge("src/io/x.cpp", "#include \"src/model/weights.h\""), SizeIs(1));
  EXPECT_THAT(judge("src/model/families/x.cpp", "#include \"editors/common/x.h\""), SizeIs(1));
  EXPECT_THAT(judge("include/emend/tensor_file.h", "#include \"emend/pass.h\""), SizeIs(1));
  EXPECT_THAT(
      find_violations({{"src/io/x.cpp", "#include \"../model/y.h\""}, {"src/model/y.h", ""}}, kRules, {}),
      SizeIs(1));
}

TEST(IncludeDirection, AllowedArrowsPass) {
  EXPECT_THAT(judge("src/io/x.cpp", "#include \"base/strings.h\"\n#include \"io/y.h\"\n#include <vector>"),
              IsEmpty());
  EXPECT_THAT(judge("src/io/x.cpp", "#include \"emend/records.h\""), IsEmpty());
  EXPECT_THAT(judge("editors/rome/x.cpp", "#include \"editors/common/y.h\"\n#include <ATen/ATen.h>"),
              IsEmpty());
  EXPECT_THAT(judge("src/cli/x.cpp", "#include \"emend/patch.h\"\n#include <boost/program_options.hpp>"),
              IsEmpty());
  EXPECT_THAT(judge("include/emend/emend.h", "#include \"emend/editor.h\""), IsEmpty());
}

TEST(IncludeDirection, EditorsAreSeenThroughTheirInterfaceOnly) {
  EXPECT_THAT(judge("eval/run.cpp", "#include \"emend/editor.h\""), IsEmpty());
  EXPECT_THAT(judge("eval/run.cpp", "#include \"editors/rome/rome.h\""), SizeIs(1));
  EXPECT_THAT(judge("src/delivery/patch.cpp", "#include \"emend/eval.h\""), SizeIs(1));
  EXPECT_THAT(judge("src/delivery/patch.cpp", "#include \"emend/editor.h\""), SizeIs(1));
}

TEST(IncludeDirection, AFolderIncludesItsOwnInterface) {
  EXPECT_THAT(judge("editors/registry.cpp", "#include \"emend/editor.h\""), IsEmpty());
  EXPECT_THAT(judge("editors/rome/rome.h", "#include \"emend/editor.h\""), IsEmpty());
  EXPECT_THAT(judge("src/measure/checks.cpp", "#include \"emend/checks.h\""), IsEmpty());
}

TEST(IncludeDirection, OneEditorDoesNotIncludeAnother) {
  EXPECT_THAT(judge("editors/rome/rome.cpp", "#include \"editors/memit/memit.h\""), SizeIs(1));
  EXPECT_THAT(judge("editors/common/x.cpp", "#include \"editors/rome/rome.h\""), SizeIs(1));
  EXPECT_THAT(judge("editors/registry.cpp", "#include \"editors/rome/rome.h\""), IsEmpty());
}

TEST(IncludeDirection, NobodyIncludesTheCommandLineTheBindingsOrTests) {
  EXPECT_THAT(judge("src/bindings/c_api.cpp", "#include \"cli/command.h\""), SizeIs(1));
  EXPECT_THAT(judge("src/cli/main.cpp", "#include \"bindings/c_api.h\""), SizeIs(1));
  EXPECT_THAT(judge("src/cli/main.cpp", "#include \"tests/support/compare.h\""), SizeIs(1));
}

TEST(IncludeDirection, LibrariesStayInTheirFolders) {
  EXPECT_THAT(judge("src/io/x.cpp", "#include <torch/torch.h>"), SizeIs(1));
  EXPECT_THAT(judge("src/text/x.cpp", "#include <ATen/ATen.h>"), SizeIs(1));
  EXPECT_THAT(judge("editors/rome/x.cpp", "#include <yaml-cpp/yaml.h>"), SizeIs(1));
  EXPECT_THAT(judge("eval/x.cpp", "#include <boost/program_options.hpp>"), SizeIs(1));
  EXPECT_THAT(judge("src/analysis/x.cpp", "#include <Eigen/Cholesky>"), SizeIs(1));
  EXPECT_THAT(judge("src/linalg/x.cpp", "#include <Eigen/Cholesky>"), SizeIs(1));
  EXPECT_THAT(judge("src/cli/x.cpp", "#include <boost/program_options.hpp>"), IsEmpty());
}

TEST(IncludeDirection, PublicHeadersNeedNoLibraryButTorch) {
  std::vector<LibraryRule> others = {{"fmt/", {}}};
  for (const LibraryRule& rule : kLibraries) {
    if (rule.folders != kSeesTorch) others.push_back({rule.prefix, {}});
  }
  EXPECT_EQ(listing(find_violations(read_sources(EMEND_SOURCE_DIR, {"include"}), kRules, others)), "");
  EXPECT_THAT(find_violations({{"include/emend/error.h", "#include <fmt/format.h>"}}, kRules, others),
              SizeIs(1));
}

TEST(IncludeDirection, UnknownFoldersAndHeadersMustJoinTheTable) {
  EXPECT_THAT(listing(judge("src/novel/x.cpp", "")), HasSubstr("belongs to no folder of the table"));
  EXPECT_THAT(listing(judge("src/cli/x.cpp", "#include \"emend/novel.h\"")),
              HasSubstr("add it to the table"));
}

TEST(IncludeDirection, ACycleIsFound) {
  EXPECT_THAT(find_cycle({{"a", {"b", "c"}}, {"b", {"d"}}, {"c", {"d"}}}), IsEmpty());
  EXPECT_THAT(find_cycle({{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}}), ElementsAre("b", "c", "b"));
  const std::vector<SourceFile> files = {{"src/io/a.h", "#include \"text/b.h\""},
                                         {"src/text/b.h", "#include \"io/a.h\""}};
  EXPECT_THAT(find_cycle(file_graph(files)), SizeIs(3));
  EXPECT_THAT(find_cycle(folder_graph(files, kRules)), ElementsAre("io", "text", "io"));
}

}  // namespace
}  // namespace emend::structure
