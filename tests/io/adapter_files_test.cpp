#include "io/adapter_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint32_t kText = 8;

std::string text_pair(std::string_view key, std::string_view value) {
  return gguf_pair(key, kText, gguf_string(value));
}

TEST(AdapterFiles, FoldersOfPeftAreRefusedWithTheirBase) {
  const TempFolder folder;
  folder.write("adapter_model.safetensors", safetensors("{}"));
  EXPECT_FALSE(is_peft_adapter(folder.path()));
  folder.write("adapter_config.json", R"({"peft_type": "LORA", "base_model_name_or_path": "some/base"})");
  EXPECT_TRUE(is_peft_adapter(folder.path()));
  const auto refused = [&] {
    return error_of(ErrorKind::kModel, [&] { open_safetensors_folder(folder.path()); });
  };
  EXPECT_THAT(refused(),
              AllOf(HasSubstr(folder.path().string()),
                    HasSubstr("this is an adapter (adapter_config.json) of \"some/base\", no model"),
                    HasSubstr("merge")));
  folder.write("adapter_config.json", R"({"base_model_name_or_path": null})");
  EXPECT_THAT(refused(), HasSubstr("of a base that it does not name"));
  folder.write("adapter_config.json", "{");
  EXPECT_THAT(refused(), HasSubstr("of a base that it does not name"));
}

TEST(AdapterFiles, AModelBesideAnAdapterIsAModel) {
  const TempFolder folder;
  folder.write("adapter_config.json", "{}");
  folder.write("config.json", "{}");
  EXPECT_FALSE(is_peft_adapter(folder.path()));
}

TEST(AdapterFiles, GgufFilesThatAreNoModelsAreNamed) {
  const TempFolder folder;
  const auto open = [&](const std::vector<std::string>& pairs) {
    GgufFile file;
    file.pairs = pairs;
    return open_gguf(folder.write("a.gguf", file.bytes()));
  };
  const auto refused = [&](const std::vector<std::string>& pairs) {
    return error_of(ErrorKind::kModel, [&] { require_gguf_model(*open(pairs)); });
  };
  EXPECT_THAT(refused({text_pair("general.architecture", "llama"), text_pair("general.type", "adapter"),
                       text_pair("adapter.type", "lora")}),
              AllOf(HasSubstr("a.gguf: this is a LoRA adapter (general.type is adapter)"),
                    HasSubstr("for a model of the architecture llama, no model")));
  EXPECT_THAT(
      refused({text_pair("general.type", "adapter"), text_pair("general.base_model.0.name", "Orm 1B")}),
      HasSubstr("for Orm 1B, no model"));
  EXPECT_THAT(refused({text_pair("general.type", "mmproj")}), HasSubstr("vision or audio part"));
  EXPECT_THAT(refused({text_pair("general.type", "imatrix")}), HasSubstr("importance matrix"));
  EXPECT_NO_THROW(require_gguf_model(*open({text_pair("general.type", "model")})));
  EXPECT_NO_THROW(require_gguf_model(*open({})));
}

}  // namespace
}  // namespace emend
