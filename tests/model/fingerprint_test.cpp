#include "emend/model.h"
#include "support/checkpoint_copy.h"

namespace emend {
namespace {

struct Prints {
  std::string all;
  std::vector<std::string> keys;
};

Prints prints_of(const std::filesystem::path& folder) {
  const Model model = Model::load(folder);
  Prints prints{model.fingerprint(), {}};
  for (int l = 0; l < model.config().layers; ++l) prints.keys.push_back(model.key_fingerprint(l));
  return prints;
}

// The fingerprints after one byte of `tensor` changed: the lowest of an element's mantissa.
Prints with_one_byte_changed(const std::string& checkpoint, const std::string& tensor) {
  test::CheckpointCopy copy(checkpoint);
  copy.tensors.at(tensor).bytes[4 * 7] ^= 1;
  return prints_of(copy.write());
}

TEST(Fingerprint, IsTheSameForTheSameFile) {
  const Prints a = prints_of(test::CheckpointCopy("gpt2").write()),
               b = prints_of(test::CheckpointCopy("gpt2").write());
  EXPECT_EQ(a.all, b.all);
  EXPECT_EQ(a.keys, b.keys);
  EXPECT_NE(a.keys[0], a.keys[1]);
  EXPECT_EQ(a.all.size(), 64u);
}

TEST(Fingerprint, ChangesWithEveryWeight) {
  for (const std::string checkpoint : {"gpt2", "llama_untied_llama3_rope"}) {
    test::CheckpointCopy copy(checkpoint);
    const std::string before = prints_of(copy.write()).all;
    for (const auto& [name, tensor] : copy.tensors)
      EXPECT_NE(with_one_byte_changed(checkpoint, name).all, before) << name;
  }
}

TEST(Fingerprint, OfAKeyHoldsWhatTheKeyDependsOn) {
  const Prints before = prints_of(test::CheckpointCopy("gpt2").write());
  const auto changed_keys = [&](const std::string& tensor) {
    const Prints after = with_one_byte_changed("gpt2", tensor);
    return std::pair(after.keys[0] != before.keys[0], after.keys[1] != before.keys[1]);
  };
  using Changed = std::pair<bool, bool>;
  EXPECT_EQ(changed_keys("transformer.wte.weight"), Changed(true, true));
  EXPECT_EQ(changed_keys("transformer.wpe.weight"), Changed(true, true));
  EXPECT_EQ(changed_keys("transformer.h.0.mlp.c_fc.weight"), Changed(true, true));
  EXPECT_EQ(changed_keys("transformer.h.0.mlp.c_proj.weight"), Changed(false, true)) << "an edit of block 0";
  EXPECT_EQ(changed_keys("transformer.h.0.mlp.c_proj.bias"), Changed(false, true));
  EXPECT_EQ(changed_keys("transformer.h.1.attn.c_attn.weight"), Changed(false, true));
  EXPECT_EQ(changed_keys("transformer.h.1.mlp.c_proj.weight"), Changed(false, false));
  EXPECT_EQ(changed_keys("transformer.ln_f.weight"), Changed(false, false));
}

TEST(Fingerprint, HoldsTheSettingsThatMoveTheForwardPass) {
  const Prints before = prints_of(test::CheckpointCopy("llama_gqa_tied").write());
  test::CheckpointCopy copy("llama_gqa_tied");
  copy.config["rope_parameters"]["rope_theta"] = 20000.0;
  EXPECT_NE(prints_of(copy.write()).all, before.all);
  test::CheckpointCopy norm("llama_gqa_tied");
  norm.config["rms_norm_eps"] = 1e-3;
  EXPECT_NE(prints_of(norm.write()).all, before.all);
  test::CheckpointCopy small_norm("llama_gqa_tied");
  small_norm.config["rms_norm_eps"] = 1e-6;
  EXPECT_NE(prints_of(small_norm.write()).all, before.all) << "1e-5 and 1e-6 are another model each";
}

TEST(Fingerprint, HoldsTheTokenizer) {
  const auto folder = std::filesystem::path(test::data_path("world/gpt2"));
  const test::TempFolder copy;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(folder / name, copy / name);
  const Prints with = prints_of(copy.path());
  std::filesystem::remove(copy / "tokenizer.json");
  const Prints without = prints_of(copy.path());
  EXPECT_NE(with.all, without.all);
  EXPECT_NE(with.keys[0], without.keys[0]);
}

}  // namespace
}  // namespace emend
