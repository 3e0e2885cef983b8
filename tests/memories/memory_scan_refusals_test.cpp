// What a scan, a merge and an index refuse, and what they say.
#include <gmock/gmock.h>

#include <fstream>

#include "base/expect_error.h"
#include "memories/scan_state.h"
#include "memories/scan_visitor.h"
#include "memories/scans.h"

namespace emend {
namespace {

using test::error_of;
using test::scan_into;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MemoryScanRefusals : public ::testing::Test {
 protected:
  MemoryScanRefusals() : model_(test::load_world("gpt2")), options_(test::small_scan(model_)) {
    options_.layers = {1};
    options_.tokens = 600;
    options_.block_tokens = 200;
  }

  std::string refusal(ErrorKind kind, const ScanOptions& options) {
    return error_of(kind, [&] { MemoryScan(model_, options, silent_); });
  }
  std::filesystem::path part(const std::string& name, int shard, ScanOptions options) {
    options.shard = shard;
    options.shards = 2;
    scan_into(model_, options, folder_ / name);
    return folder_ / name;
  }
  std::string merging(const std::vector<std::filesystem::path>& parts, ErrorKind kind = ErrorKind::kConfig) {
    return error_of(kind, [&] { merge_scans(parts, folder_ / "merged", silent_); });
  }

  Model model_;
  ScanOptions options_;
  SilentProgress silent_;
  test::TempFolder folder_;
};

TEST_F(MemoryScanRefusals, OptionsAreRefusedBeforeTheWork) {
  ScanOptions wrong = options_;
  wrong.corpus.clear();
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("no corpus"));
  wrong = options_;
  wrong.layers = {99};
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("there is no layer 99: the model has"));
  wrong = options_;
  wrong.top = 0;
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("the option top"));
  wrong = options_;
  wrong.random = 0;
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("the option random"));
  wrong = options_;
  wrong.window = 4;
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("scan: a window of 4 tokens"));
  wrong = options_;
  wrong.shard = 3;
  EXPECT_THAT(refusal(ErrorKind::kUsage, wrong), HasSubstr("shard 3 of 1"));
  wrong = options_;
  wrong.corpus = {folder_.write("empty.txt", "\n\n")};
  EXPECT_THAT(refusal(ErrorKind::kConfig, wrong), HasSubstr("no text"));
  wrong.corpus = {folder_.write("binary.txt", std::string("a\0b", 3))};
  EXPECT_THAT(refusal(ErrorKind::kFormat, wrong), HasSubstr("binary.txt"));
  EXPECT_THAT(error_of(ErrorKind::kUsage, [] { parse_dedup("windows"); }),
              AllOf(HasSubstr("windows"), HasSubstr("none, window, suffix")));
}

TEST_F(MemoryScanRefusals, AnIndexIsNotOverwritten) {
  scan_into(model_, options_, folder_ / "index");
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { scan_into(model_, options_, folder_ / "index"); }),
              AllOf(HasSubstr("index.json"), HasSubstr("resume")));
  options_.top = 6;
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { scan_into(model_, options_, folder_ / "index", true); }),
              HasSubstr("another scan"));
}

TEST_F(MemoryScanRefusals, PartsOfDifferentScansAreNotMerged) {
  const auto a = part("a", 0, options_), b = part("b", 1, options_);
  EXPECT_THAT(merging({a}), HasSubstr("shard 1 of 2 is not among the folders"));
  EXPECT_THAT(merging({a, b, part("again", 0, options_)}), HasSubstr("the same shard"));
  ScanOptions other = options_;
  other.window = 40;
  EXPECT_THAT(merging({a, part("window", 1, other)}), AllOf(HasSubstr("settings"), HasSubstr("window 40")));
  other = options_;
  other.corpus = {folder_.write("other.txt",
                                "It rained in Josov for twenty days and nights, and the river "
                                "rose.\nThe cafe in Thidov was closed for the whole winter.\n")};
  other.tokens = kAllTokens;
  other.block_tokens = 12;
  EXPECT_THAT(merging({a, part("text", 1, other)}), HasSubstr("different is the"));
  other = options_;
  other.seed = 4;
  EXPECT_THAT(merging({a, part("seed", 1, other)}), HasSubstr("the seed"));
  const Model llama = test::load_world("llama");
  ScanOptions of_llama = test::small_scan(llama);
  of_llama.shard = 1;
  of_llama.shards = 2;
  scan_into(llama, of_llama, folder_ / "llama");
  EXPECT_THAT(merging({a, folder_ / "llama"}), HasSubstr("different models"));
  EXPECT_THAT(merging({folder_ / "nothing"}, ErrorKind::kIo), HasSubstr("there is no such folder"));
  scan_into(model_, options_, folder_ / "index");
  EXPECT_THAT(merging({folder_ / "index"}), HasSubstr("finished index"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "merged"));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { MemoryIndex{a}; }), HasSubstr("join the parts of the scan"));
}

TEST_F(MemoryScanRefusals, AnIndexNamesWhatItHolds) {
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  const auto cell = [&](MemoryId id) { return error_of(ErrorKind::kConfig, [&] { index.cell(id); }); };
  EXPECT_THAT(cell({1, static_cast<int>(model_.config().d_ff)}), HasSubstr("D0 to D"));
  EXPECT_THAT(cell({2, 0}), HasSubstr("layer 2 was not scanned"));
  EXPECT_THAT(cell({90, 0}), HasSubstr("90"));
  index.require_of(model_);
  const Model llama = test::load_world("llama");
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { index.require_of(llama); }), HasSubstr("another model"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { MemoryIndex{folder_ / "none"}; }), HasSubstr("no such folder"));
}

TEST_F(MemoryScanRefusals, BrokenFilesAreNamed) {
  scan_into(model_, options_, folder_ / "index");
  const auto layer = folder_ / "index/layer_1.safetensors";
  const std::string bytes = test::read_all(layer);
  std::ofstream(layer, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT(error_of(ErrorKind::kFormat,
                       [&] {
                         MemoryIndex(folder_ / "index").cell({1, 0});
                       }),
              HasSubstr("layer_1.safetensors"));
  const auto head = folder_ / "index/index.json";
  std::ofstream(head) << "{\"format\": 2}";
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { MemoryIndex{folder_ / "index"}; }),
              HasSubstr("another version"));
  std::ofstream(head) << "{\"format\": 1}";
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { MemoryIndex{folder_ / "index"}; }), HasSubstr("index.json"));
}

TEST_F(MemoryScanRefusals, ACoefficientThatIsNoNumberIsNamed) {
  {
    const c10::NoGradGuard no_grad;
    model_.weights().blocks[1].mlp_in[3].fill_(INFINITY);
  }
  EXPECT_THAT(error_of(ErrorKind::kNumeric, [&] { scan_into(model_, options_, folder_ / "index"); }),
              AllOf(HasSubstr("L1D3"), HasSubstr("document"), HasSubstr("NaN or infinite")));
  const ScanOptions settled = settle_scan_options(model_, options_);
  const auto text = test::text_of(model_, settled);
  ScanVisitor visitor(model_, settled, "", text->tokens(), SweepPlace::kByKernels);
  SilentProgress silent;
  EXPECT_THAT(error_of(ErrorKind::kNumeric,
                       [&] {
                         walk_text(model_, *text, visitor, {"scanning", {}, {}, false}, silent);
                       }),
              AllOf(HasSubstr("L1D3"), HasSubstr("document"), HasSubstr("NaN or infinite")));
}

}  // namespace
}  // namespace emend
