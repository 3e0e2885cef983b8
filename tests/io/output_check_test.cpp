#include "io/output_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "base/atomic_file.h"
#include "emend/error.h"
#include "tests/cli/scratch_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

template <typename Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    return error.what();
  }
  return "accepted";
}

TEST(RequireWritableFile, TakesNewFilesInFoldersToBeMade) {
  const ScratchFolder folder;
  EXPECT_NO_THROW(require_writable_file(folder / "new"));
  EXPECT_NO_THROW(require_writable_file(folder / "a/b/c/new"));
  EXPECT_NO_THROW(require_writable_file(folder.write("old", "text")));
  EXPECT_EQ(folder.listing(), "old");
}

TEST(RequireWritableFile, RefusesFoldersAndFilesInTheWay) {
  const ScratchFolder folder;
  const std::string file = folder.write("sub/file", "text");
  EXPECT_THAT(refusal([&] { require_writable_file(folder / "sub"); }), HasSubstr("it is a folder"));
  EXPECT_THAT(refusal([&] { require_writable_file(folder / "sub/"); }), HasSubstr("not the name of a file"));
  EXPECT_THAT(refusal([&] { require_writable_file(file + "/deeper/new"); }),
              HasSubstr("sub/file is not a folder"));
  EXPECT_THAT(refusal([&] { require_writable_folder(file); }), HasSubstr("is not a folder"));
}

// A file is written whole under another name and then renamed, which no device or pipe can be.
TEST(RequireWritableFile, RefusesWhatAWriteWouldRefuseAfterTheWork) {
  const ScratchFolder folder;
  const std::string pipe = folder / "pipe", link = folder / "link";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink(pipe, link);
  for (const std::string& file : {pipe, link, std::string("/dev/null")}) {
    EXPECT_THAT(refusal([&] { require_writable_file(file); }), HasSubstr("it is not a regular file"));
    EXPECT_THAT(refusal([&] { write_file_atomically(file, "x"); }), HasSubstr("it is not a regular file"));
  }
  const std::string round = folder / "round";
  std::filesystem::create_symlink(round, round);
  EXPECT_NE(refusal([&] { require_writable_file(round); }), "accepted");
}

TEST(RequireWritableFile, FollowsALinkThatLeadsToNothingYet) {
  const ScratchFolder folder;
  const std::string file = folder.write("file", "text");
  std::filesystem::create_symlink("made/new", folder / "link");
  EXPECT_NO_THROW(require_writable_file(folder / "link"));
  std::filesystem::create_symlink(file + "/new", folder / "astray");
  EXPECT_THAT(refusal([&] { require_writable_file(folder / "astray"); }), HasSubstr("is not a folder"));
}

TEST(RequireOutputApart, AFolderStandsForAllThatWillBeInIt) {
  const ScratchFolder folder;
  const auto accepts = [&](const std::string& file) {
    try {
      require_output_apart("--json", folder / file, {{folder / "run/curve"}, {}, {}});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return false;
    }
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(accepts("run/curve/edits_000001.jsonl"));
    EXPECT_FALSE(accepts("run/curve"));
    EXPECT_TRUE(accepts("run/curve.json"));
    EXPECT_TRUE(accepts("run/other/edits_000001.jsonl"));
    std::filesystem::create_directories(folder / "run/curve");
  }
}

TEST(RequireNotAmong, RefusesToOverwriteInputs) {
  const ScratchFolder folder;
  const std::string yaml = folder.write("edit.yaml", "");
  folder.write("model/model-00001-of-00002.safetensors", "");
  folder.write("model/config.json", "");
  folder.write("model/patch.safetensors", "");
  const std::vector<std::filesystem::path> inputs = {yaml, folder / "model", folder / "missing"};
  EXPECT_THAT(refusal([&] { require_not_among(folder / "model/../edit.yaml", inputs); }),
              HasSubstr("belongs to the input"));
  EXPECT_NE(refusal([&] { require_not_among(folder / "model/model-00001-of-00002.safetensors", inputs); }),
            "accepted");
  EXPECT_NE(refusal([&] { require_not_among(folder / "model/config.json", inputs); }), "accepted");
  EXPECT_NO_THROW(require_not_among(folder / "model/patch.safetensors", inputs));
  EXPECT_NO_THROW(require_not_among(folder / "model/new.safetensors", inputs));
}

TEST(RequireOutputApart, RefusesInputsAndOutputs) {
  const ScratchFolder folder;
  const std::string yaml = folder.write("edit.yaml", "");
  const std::string gguf = folder.write("m.gguf", "");
  folder.write("model/config.json", "");
  std::filesystem::create_symlink(yaml, folder / "link");
  const auto accepts = [&](const std::string& json, const std::string& model) {
    try {
      require_output_apart("--json", json, {{yaml, folder / "new.safetensors"}, model, {folder / "stats"}});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("--json " + json));
      return false;
    }
    return true;
  };
  EXPECT_FALSE(accepts(folder / "model/../edit.yaml", gguf));
  EXPECT_FALSE(accepts(folder / "link", gguf));
  EXPECT_FALSE(accepts(folder / "new.safetensors", gguf));
  EXPECT_FALSE(accepts(gguf, gguf));
  EXPECT_FALSE(accepts(folder / "tokenizer.json", gguf));
  EXPECT_FALSE(accepts(folder / "model.safetensors.index.json", gguf));
  EXPECT_FALSE(accepts(folder / "additional_chat_templates/default.jinja", gguf));
  EXPECT_TRUE(accepts(folder / "additional_chat_templates/tokenizer.json", gguf));
  EXPECT_FALSE(accepts(folder / "model/config.json", folder / "model"));
  EXPECT_FALSE(accepts(folder / "stats/layer_0.safetensors", gguf));
  EXPECT_TRUE(accepts(folder / "stats/j.json", gguf));
  EXPECT_TRUE(accepts(folder / "result.json", folder / "model"));
  EXPECT_TRUE(accepts("", gguf));
}

TEST(RequireOutputApart, NamesTheOption) {
  const ScratchFolder folder;
  const std::string patch = folder.write("p.safetensors", "");
  try {
    require_output_apart("--junit", patch, {{patch}, {}, {}});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), testing::StartsWith("--junit " + patch + " would overwrite"));
  }
}

// Endings mean the same in capitals.
TEST(RequireEnding, RefusesNamesOfOtherForms) {
  const auto refused = [](const std::string& name, OutputForm form) {
    try {
      require_ending(name, form);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(
      refused("out/X.GGUF", OutputForm::kSafetensors),
      testing::AllOf(HasSubstr("what is written here is a safetensors file"), HasSubstr("ends in .GGUF")));
  EXPECT_THAT(refused("x.Safetensors", OutputForm::kGguf), HasSubstr("ends in .Safetensors"));
  EXPECT_THAT(refused("x.SAFETENSORS", OutputForm::kFolder), HasSubstr("what is written here is a folder"));
  EXPECT_EQ(refused("x.SAFETENSORS", OutputForm::kSafetensors), "");
  EXPECT_EQ(refused("x.GGUF", OutputForm::kGguf), "");
  EXPECT_EQ(refused("x.Old", OutputForm::kGguf), "");
}

}  // namespace
}  // namespace emend
