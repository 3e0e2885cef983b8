// Values and labels of an index; checkpoints compared, cells in clusters, audited, exported.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/text_file.h"
#include "base/byte_stream.h"
#include "base/expect_error.h"
#include "base/strings.h"
#include "emend/edit.h"
#include "emend/memory_audit.h"
#include "emend/memory_cluster.h"
#include "emend/memory_compare.h"
#include "emend/memory_export.h"
#include "emend/memory_labels.h"
#include "emend/memory_values.h"
#include "emend/memory_view.h"
#include "memories/index_files.h"
#include "memories/scans.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Surveys : public testing::Test {
 protected:
  Surveys() : index_(folder_ / "index") { test::scan_into(model_, test::small_scan(model_), index_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  const Model model_ = test::load_world("llama");
  const test::TempFolder folder_;
  const std::filesystem::path index_;
};

std::string unpacked(const std::filesystem::path& file) {
  const auto stream = open_byte_stream(file);
  std::string text;
  std::array<char, 4096> piece{};
  while (const std::size_t count = stream->read(piece)) text.append(piece.data(), count);
  return text;
}

TEST_F(Surveys, ACellHasItsValueOnceItWasRead) {
  EXPECT_FALSE(MemoryIndex(index_).cell({0, 3}).value.has_value());
  ValueOptions options;
  options.index = index_;
  options.layers = {0};
  options.top = 4;
  run_values(model_, options);
  const MemoryIndex index(index_);
  const MemoryRecord record = index.cell({0, 3});
  ASSERT_TRUE(record.value.has_value());
  const ValueTable table = value_table(model_, 0, {}, 4);
  ASSERT_THAT(record.value->top, SizeIs(4));
  for (std::int64_t k = 0; k < 4; ++k) {
    EXPECT_EQ(record.value->top[static_cast<std::size_t>(k)].id, table.top_ids[3][k].item<std::int64_t>());
    EXPECT_EQ(record.value->bottom[static_cast<std::size_t>(k)].logit,
              table.bottom_logits[3][k].item<double>());
  }
  EXPECT_EQ(record.value->top[0].text, model_.tokenizer().token_bytes(record.value->top[0].id));
  EXPECT_EQ(record.value->lens, "lin");
  EXPECT_FALSE(index.cell({2, 3}).value.has_value()) << "its values were not read";
}

TEST_F(Surveys, LabelsComeFromFiles) {
  const std::string own = write("own.json", R"({"L0D3": "weavers", "L2D5": ["stones", "hills"]})");
  const std::string peers = write("batch-0.jsonl", R"({"layer": "2-mlp", "index": "5", "description": "hills"}
{"layer": 0, "index": 7, "description": "towns"}
)");
  const std::string delphi = write("layers.2.mlp_latent5.txt", "\"names of stones\"\n");
  const LabelImport found = import_labels(index_, {own, peers, delphi});
  EXPECT_EQ(found.read, 6);
  EXPECT_EQ(found.added, 5) << "hills is there already";
  EXPECT_EQ(found.cells, 3);
  EXPECT_THAT(MemoryIndex(index_).cell({2, 5}).labels, ElementsAre("stones", "hills", "names of stones"));
  EXPECT_THAT(MemoryIndex(index_).cell({0, 7}).labels, ElementsAre("towns"));
  EXPECT_EQ(import_labels(index_, {own}).added, 0);
  const std::string before = test::read_all(index_ / "labels.json");
  const auto refused = [&](ErrorKind kind, const std::string& name, const std::string& text,
                           const char* what) {
    EXPECT_THAT(test::error_of(kind,
                               [&] {
                                 import_labels(index_, {own, write(name, text)});
                               }),
                HasSubstr(what));
    EXPECT_EQ(test::read_all(index_ / "labels.json"), before);
  };
  refused(ErrorKind::kConfig, "a.json", R"({"L1D3": "x"})", "layers are 0, 2");
  refused(ErrorKind::kConfig, "a.json", R"({"L0D99999": "x"})", "D0 to D");
  refused(ErrorKind::kFormat, "a.json", R"({"cell 3": "x"})", "L12D771");
  refused(ErrorKind::kFormat, "b.jsonl", "{\"layer\": 0}\n", "b.jsonl:1");
  refused(ErrorKind::kFormat, "notes.txt", "x", "layers.12");
  // What other sources call feature 5 of layer 2 is no name of cell 5.
  refused(ErrorKind::kFormat, "c.jsonl",
          "\n{\"layer\": \"2-res\", \"index\": \"5\", \"description\": \"x\"}\n", "c.jsonl:2");
  refused(ErrorKind::kFormat, "c.jsonl", R"({"layer": "2x", "index": "5", "description": "x"})", "12-mlp");
  refused(ErrorKind::kFormat, "layers.2.attention_latent5.txt", "x", "layers.12.mlp");
  refused(ErrorKind::kUsage, "notes.csv", "x", ".jsonl");
}

TEST_F(Surveys, LabelsThatWereExportedComeBackWhateverTheirSet) {
  import_labels(index_, {write("own.json", R"({"L2D5": "stones"})")});
  export_memories({ExportForm::kNeuronpedia, index_, folder_ / "np", {2}, "world", "ffn"});
  std::filesystem::remove(index_ / "labels.json");
  const LabelImport found = import_labels(index_, {folder_ / "np/world/2-ffn/explanations/batch-0.jsonl.gz"});
  EXPECT_EQ(found.added, 1);
  EXPECT_THAT(MemoryIndex(index_).cell({2, 5}).labels, ElementsAre("stones"));
}

TEST_F(Surveys, ALayerUnderAnothersNameIsRefused) {
  std::filesystem::copy_file(index_layer_file(index_, 0), index_layer_file(index_, 2),
                             std::filesystem::copy_options::overwrite_existing);
  const MemoryIndex index(index_);
  EXPECT_EQ(index.cell({0, 3}).id, (MemoryId{0, 3}));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat,
                             [&] {
                               index.cell({2, 3});
                             }),
              testing::AllOf(HasSubstr(index_layer_file(index_, 2).string()), HasSubstr("holds layer 0"),
                             HasSubstr("of layer 2")));
}

TEST_F(Surveys, AModelIsAsItselfAndUnlikeItsEdit) {
  const c10::NoGradGuard no_grad;
  CompareOptions options;
  options.index_a = options.index_b = index_;
  options.cells = 3;
  const CompareOutcome same = compare_memories(model_, model_, options);
  ASSERT_EQ(same.layers.size(), static_cast<std::size_t>(model_.config().layers));
  for (const LayerComparison& layer : same.layers) {
    EXPECT_EQ(layer.identical, layer.cells);
    EXPECT_NEAR(layer.least_key_cosine, 1, 1e-12);
    EXPECT_EQ(layer.changed_favourites, 0);
  }
  EXPECT_NEAR(*same.layers[0].triggers, 1, 1e-12);
  EXPECT_FALSE(same.layers[1].triggers.has_value()) << "that layer was not scanned";

  Model edited = model_.share();
  at::Tensor change = at::zeros({1, model_.config().d_ff});
  change[0][9] = 1;
  const at::Tensor value = FfnView(model_, 1).value(9);
  const ScopedEdit scope(edited,
                         {WeightChange::low_rank({1, Role::kMlpDown}, change, -2 * value.unsqueeze(1))});
  const CompareOutcome other = compare_memories(model_, edited, {.cells = 3});
  EXPECT_EQ(other.layers[1].identical, other.layers[1].cells - 1);
  EXPECT_NEAR(other.layers[1].least_value_cosine, -1, 1e-6);
  EXPECT_EQ(other.cells[0].cell, (MemoryId{1, 9}));
  EXPECT_NEAR(other.cells[0].value_moved, 2, 1e-5);
  EXPECT_NE(other.cells[0].before, other.cells[0].after);
  EXPECT_EQ(other.cells[1].value_moved, 0);
  const Model gpt2 = test::load_world("gpt2");
  test::error_of(ErrorKind::kModel, [&] { compare_memories(model_, gpt2, {}); });
  EXPECT_THAT(
      test::error_of(ErrorKind::kUsage, [&] { compare_memories(model_, model_, {.index_a = index_}); }),
      HasSubstr("index"));
}

TEST_F(Surveys, ClustersFindCellsThatWereMadeAlike) {
  const c10::NoGradGuard no_grad;
  Model model = model_.share();
  // Every value of layer 1 becomes one of four directions, cell i the direction i modulo 4, of other lengths.
  const std::int64_t cells = model.config().d_ff, width = model.config().d_model;
  at::Tensor change = at::zeros({width, cells});
  const FfnView view(model_, 1);
  for (std::int64_t i = 0; i < cells; ++i) {
    at::Tensor wanted = at::zeros({width});
    wanted[i % 4] = 1 + static_cast<double>(i) / 100;
    change.select(1, i).copy_(wanted - view.value(i));
  }
  const ScopedEdit scope(model, {WeightChange::dense({1, Role::kMlpDown}, change)});
  ClusterOptions options;
  options.layers = {1};
  options.clusters = 4;
  bool found = false;
  for (options.seed = 0; options.seed < 8 && !found; ++options.seed) {
    const ClusterOutcome outcome = cluster_memories(model, options);
    EXPECT_EQ(outcome.cells, cells);
    EXPECT_TRUE(outcome.settled);
    EXPECT_EQ(cluster_memories(model, options).cluster_of, outcome.cluster_of) << "one seed, one result";
    found = outcome.cosine > 1 - 1e-5;
    if (!found) continue;  // two of the drawn cells lay in one direction
    ASSERT_THAT(outcome.clusters, SizeIs(4));
    for (const MemoryCluster& one : outcome.clusters) {
      std::set<int> directions;
      for (const MemoryId& member : one.members) directions.insert(member.index % 4);
      EXPECT_THAT(directions, SizeIs(1));
    }
  }
  EXPECT_TRUE(found);
  options.clusters = static_cast<int>(cells) + 1;
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { cluster_memories(model, options); }),
              HasSubstr("clusters"));
}

// An expression that finds the last token of a cell's triggers; and duplicates that were made.
TEST_F(Surveys, AuditsFindPlantedCells) {
  const c10::NoGradGuard no_grad;
  const MemoryIndex index(index_);
  // A cell whose largest trigger is letters, which need no escapes.
  MemoryId id{0, 0};
  const auto first_token = [&] { return std::string(trim(index.cell(id).high.at(0).token)); };
  const auto is_word = [](const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
  };
  while (!is_word(first_token())) ++id.index;
  const MemoryRecord record = index.cell(id);
  const std::string word = first_token();
  int hits = 0;
  for (const MemoryExample& example : record.high) hits += trim(example.token) == word ? 1 : 0;
  const std::string file = write("p.txt", "# comment\n\nword  " + word + "\nnothing qqq[0-9]{9}\n");
  AuditOptions options;
  options.index = index_;
  options.patterns = file;
  options.least = 0.01;
  options.cells = 100'000;
  const AuditOutcome outcome = audit_memories(nullptr, options);
  EXPECT_EQ(outcome.cells, 2 * model_.config().d_ff);
  ASSERT_THAT(outcome.patterns, SizeIs(2));
  EXPECT_EQ(outcome.patterns[1].matching, 0);
  const auto& cells = outcome.patterns[0].cells;
  const auto own = std::find_if(cells.begin(), cells.end(),
                                [&](const AuditedCell& cell) { return cell.cell == id && cell.high; });
  ASSERT_NE(own, cells.end());
  EXPECT_GE(own->hits, hits) << "the next token counts, too";
  EXPECT_THAT(own->example, HasSubstr(word));
  EXPECT_THAT(own->source, HasSubstr("text.txt"));
  EXPECT_FALSE(outcome.redundancy.has_value());
  EXPECT_EQ(outcome.patterns[0].below_least + static_cast<std::int64_t>(cells.size()),
            outcome.patterns[0].matching);
  options.least = 1;
  const AuditedPattern strict = audit_memories(nullptr, options).patterns[0];
  EXPECT_EQ(strict.matching, outcome.patterns[0].matching);
  EXPECT_EQ(strict.below_least, strict.matching - static_cast<std::int64_t>(strict.cells.size()));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat,
                             [&] {
                               options.patterns = write("p.txt", "word (\n");
                               audit_memories(nullptr, options);
                             }),
              HasSubstr("p.txt:1"));
}

TEST(Audit, ListsDeadAndDuplicateCellsAndWhatRemovingChanges) {
  const c10::NoGradGuard no_grad;
  const Model model = test::load_world("llama");
  // Cell 4 of layer 0 has no value any more, cell 6 has that of cell 5, twice as long.
  const at::Tensor down = model.weights().blocks[0].mlp_down;
  down.select(1, 4).zero_();
  down.select(1, 6).copy_(2 * down.select(1, 5));
  const test::TempFolder folder;
  test::scan_into(model, test::small_scan(model), folder / "index");
  AuditOptions options;
  options.index = folder / "index";
  options.tokens = 200;
  const AuditOutcome outcome = audit_memories(&model, options);
  const Redundancy& found = outcome.redundancy.value();
  EXPECT_THAT(found.dead, testing::Contains(MemoryId{0, 4}));
  ASSERT_FALSE(found.duplicates.empty());
  EXPECT_EQ(found.duplicates[0].a, (MemoryId{0, 5}));
  EXPECT_EQ(found.duplicates[0].b, (MemoryId{0, 6}));
  EXPECT_NEAR(found.duplicates[0].cosine, 1, 1e-5);
  EXPECT_GE(found.tokens, 200);
  EXPECT_NEAR(found.without_dead, found.perplexity, 1e-3 * found.perplexity);
}

// Cells 5, 6 and 7 of one value: 5 stays, and nothing of the others is added to it.
TEST(Audit, MeasuresTheRemovalOfDuplicates) {
  const c10::NoGradGuard no_grad;
  const Model model = test::load_world("llama");
  const at::Tensor down = model.weights().blocks[0].mlp_down;
  // Large enough to matter to the next tokens.
  const at::Tensor value = 100 * down.norm(2, 0).max() * down.select(1, 5) / down.select(1, 5).norm();
  const auto audit_with = [&](double six, double seven) {
    down.select(1, 5).copy_(value);
    down.select(1, 6).copy_(six * value);
    down.select(1, 7).copy_(seven * value);
    const test::TempFolder folder;
    test::scan_into(model, test::small_scan(model), folder / "index");
    AuditOptions options;
    options.index = folder / "index";
    options.tokens = 200;
    return audit_memories(&model, options).redundancy.value();
  };
  const Redundancy three = audit_with(1, 1), one = audit_with(0, 0);
  ASSERT_THAT(three.duplicates, SizeIs(3)) << "5 and 6, 5 and 7, 6 and 7";
  EXPECT_NEAR(three.without_duplicates, one.perplexity, 1e-4 * one.perplexity);
  EXPECT_LT(three.without_duplicates, 0.5 * three.perplexity);
  EXPECT_THAT(one.duplicates, IsEmpty());
  EXPECT_EQ(one.without_duplicates, one.perplexity);
}

TEST_F(Surveys, NeuronpediaFilesHoldWhatTheIndexHolds) {
  import_labels(index_, {write("own.json", R"({"L0D3": "weavers"})")});
  const ExportOutcome outcome =
      export_memories({ExportForm::kNeuronpedia, index_, folder_ / "np", {0}, "world", "mlp"});
  EXPECT_EQ(outcome.cells, model_.config().d_ff);
  EXPECT_EQ(outcome.labels, 1);
  const std::filesystem::path place = folder_ / "np/world/0-mlp";
  for (const char* name : {"release.jsonl", "model.jsonl", "sourceset.jsonl", "source.jsonl"})
    EXPECT_TRUE(std::filesystem::exists(place / name)) << name;
  const MemoryRecord record = MemoryIndex(index_).cell({0, 3});
  std::vector<std::string> features = split_at(unpacked(place / "features/batch-0.jsonl.gz"), '\n');
  const auto feature = nlohmann::json::parse(features.at(3));
  EXPECT_EQ(feature["modelId"], "world");
  EXPECT_EQ(feature["layer"], "0-mlp");
  EXPECT_EQ(feature["index"], "3");
  EXPECT_NEAR(feature["maxActApprox"].get<double>(), record.most, 1e-6);
  EXPECT_NEAR(feature["frac_nonzero"].get<double>(), record.active_share, 1e-9);
  std::int64_t counted = 0;
  for (const auto& height : feature["freq_hist_data_bar_heights"]) counted += height.get<std::int64_t>();
  EXPECT_EQ(counted, record.tokens);
  int number = 0;
  for (const std::string& line : split_at(unpacked(place / "activations/batch-0.jsonl.gz"), '\n')) {
    if (line.empty()) continue;
    const auto activation = nlohmann::json::parse(line);
    if (activation["index"] != "3") continue;
    ASSERT_EQ(activation["tokens"].size(), activation["values"].size());
    const std::size_t at = activation["maxValueTokenIndex"];
    if (number == 0) {
      EXPECT_NEAR(activation["values"][at].get<double>(), record.high[0].coefficient, 1e-6);
      EXPECT_EQ(activation["tokens"][at], record.high[0].token);
    }
    ++number;
  }
  EXPECT_EQ(static_cast<std::size_t>(number),
            record.high.size() + record.low.size() + record.middle.size() + record.random.size());
  EXPECT_THAT(unpacked(place / "explanations/batch-0.jsonl.gz"), HasSubstr("weavers"));
  // What was exported comes back.
  EXPECT_EQ(import_labels(index_, {place / "explanations/batch-0.jsonl.gz"}).added, 0);
  test::error_of(ErrorKind::kIo, [&] {
    export_memories({ExportForm::kNeuronpedia, index_, folder_ / "np"});
  });
  export_memories({ExportForm::kNeuronpedia, index_, folder_ / "again", {0}, "world", "mlp"});
  for (const char* name : {"features/batch-0.jsonl.gz", "activations/batch-0.jsonl.gz"})
    EXPECT_TRUE(test::read_all(place / name) == test::read_all(folder_ / "again/world/0-mlp" / name)) << name;
}

TEST_F(Surveys, ADelphiCacheNamesTokensByRowAndPosition) {
  export_memories({ExportForm::kDelphi, index_, folder_ / "delphi", {2}});
  const std::string last = std::to_string(model_.config().d_ff - 1);
  const auto file = open_safetensors(folder_ / ("delphi/layers.2.mlp/0_" + last + ".safetensors"));
  const at::Tensor places = stored_tensor(*file, "locations", "U32").to(at::kLong),
                   activations = stored_tensor(*file, "activations", "F32"),
                   tokens = stored_tensor(*file, "tokens", "I64");
  ASSERT_EQ(places.size(0), activations.numel());
  ASSERT_EQ(places.size(1), 3);
  const MemoryRecord record = MemoryIndex(index_).cell({2, 5});
  bool found = false;
  for (std::int64_t i = 0; i < places.size(0); ++i) {
    if (places[i][2].item<std::int64_t>() != 5) continue;
    if (std::abs(activations[i].item<float>() - record.high[0].coefficient) > 1e-6F) continue;
    found = true;
    EXPECT_EQ(places[i][1].item<std::int64_t>(), record.high[0].position);
    EXPECT_EQ(tokens[places[i][0].item<std::int64_t>()][record.high[0].position].item<std::int64_t>(),
              record.high[0].token_id);
  }
  EXPECT_TRUE(found);
  const auto config = nlohmann::json::parse(test::read_all(folder_ / "delphi/layers.2.mlp/config.json"));
  EXPECT_EQ(config["ctx_len"], tokens.size(1));
  EXPECT_EQ(tokens.size(1) % 32, 0) << "delphi cuts examples of 32 tokens";
  EXPECT_EQ(config["model_name"], MemoryIndex(index_).head().model);
}

}  // namespace
}  // namespace emend
