// What transformers makes of the files beside tokenizer.json (tools/fixtures/special_token_files.py recorded
// it).
#include "text/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string merges_text(const Json& merges) {
  std::string text = "#version: 0.2\n";
  for (const Json& merge : merges)
    text += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  return text;
}

// The files of a recorded folder.
TokenizerJson folder_of(const Json& record) {
  Json document = Json::parse(test::read_fixture("gpt2.json"));
  TokenizerJson source;
  if (record.at("slow").get<bool>()) {
    source.vocab_json = document["model"]["vocab"].dump();
    source.merges_txt = merges_text(document["model"]["merges"]);
    source.where = "folder/vocab.json";
  } else {
    for (Json added : record.at("added")) {
      added["id"] = 699 + document["added_tokens"].size();
      document["added_tokens"].push_back(added);
    }
    source.tokenizer_json = document.dump();
    source.where = "folder/tokenizer.json";
  }
  const Json& files = record.at("files");
  const auto text_of = [&](const char* name) { return files.contains(name) ? files[name].dump() : ""; };
  source.tokenizer_config_json = text_of("tokenizer_config.json");
  source.special_tokens_map_json = text_of("special_tokens_map.json");
  source.added_tokens_json = text_of("added_tokens.json");
  if (files.contains("config.json")) source.model_type = files["config.json"].at("model_type");
  return source;
}

std::vector<std::int64_t> special_ids(const Tokenizer& tokenizer) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(id)) ids.push_back(id);
  return ids;
}

std::optional<std::int64_t> recorded_id(const Json& record, const char* key) {
  return record.at(key).is_null() ? std::nullopt : std::optional(record.at(key).get<std::int64_t>());
}

TEST(SpecialTokenFiles, GiveTheIdsOfTransformers) {
  for (const Json& record : Json::parse(test::read_fixture("special_token_files.json"))) {
    SCOPED_TRACE(record.at("name").get<std::string>());
    const auto tokenizer = make_tokenizer(folder_of(record));
    const std::string text = record.at("text");
    const auto ids = record.at("ids").get<std::vector<std::int64_t>>();
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kNone).ids, ids);
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kAuto).ids,
              record.at("auto").get<std::vector<std::int64_t>>());
    EXPECT_EQ(special_ids(*tokenizer), record.at("special").get<std::vector<std::int64_t>>());
    EXPECT_EQ(tokenizer->bos(), recorded_id(record, "bos"));
    EXPECT_EQ(tokenizer->eos(), recorded_id(record, "eos"));
  }
}

std::string refusal(const TokenizerJson& source) {
  return test::error_of(ErrorKind::kFormat, [&] { make_tokenizer(source); });
}

TEST(SpecialTokenFiles, AreNamedInErrors) {
  TokenizerJson source;
  source.tokenizer_json = test::minimal_tokenizer_json();
  source.where = "folder/tokenizer.json";
  source.special_tokens_map_json = R"({"pad_token": 3})";
  EXPECT_THAT(refusal(source), HasSubstr("folder/special_tokens_map.json: \"pad_token\""));
  source.special_tokens_map_json = "";
  source.added_tokens_json = R"({"<a>": "7"})";
  EXPECT_THAT(refusal(source), HasSubstr("folder/added_tokens.json: \"<a>\""));
  source.tokenizer_config_json = R"({"added_tokens_decoder": {"x": {"content": "<a>"}}})";
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("folder/tokenizer_config.json: \"added_tokens_decoder\""),
                                     HasSubstr("keys are token ids")));
}

TokenizerJson slow_files() {
  TokenizerJson source;
  source.vocab_json = Json::parse(test::minimal_tokenizer_json())["model"]["vocab"].dump();
  source.merges_txt = "#version: 0.2\r\na b\r\nab c\r\n";
  source.where = "folder/vocab.json";
  return source;
}

TEST(SlowTokenizer, ReadsVocabAndMerges) {
  const auto tokenizer = make_tokenizer(slow_files());
  const Encoding encoding = tokenizer->encode("abcab<|endoftext|>", SpecialTokens::kNone);
  EXPECT_THAT(encoding.ids, testing::ElementsAre(257, 256, 259));  // the class's own end token is new here
  EXPECT_TRUE(test::spans_cover(encoding, 18));
}

TEST(SlowTokenizer, NamesFileAndLineOfABadMerge) {
  TokenizerJson source = slow_files();
  source.merges_txt = "a b\nabc\n";
  EXPECT_THAT(refusal(source), HasSubstr("folder/merges.txt:2: \"abc\" must be two tokens"));
  source.merges_txt = "a b\n\nx yz\n";
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("folder/merges.txt:3:"), HasSubstr("\"yz\"")));
  source.merges_txt = "";
  EXPECT_THAT(refusal(source), HasSubstr("no merges.txt"));
}

TEST(SlowTokenizer, RefusesClassesThatItDoesNotKnow) {
  TokenizerJson source = slow_files();
  source.tokenizer_config_json = R"({"tokenizer_class": "BartTokenizer"})";
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("\"BartTokenizer\""), HasSubstr("GPT2Tokenizer")));
  source.tokenizer_config_json = "";
  source.model_type = "bart";
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("tokenizer_class"), HasSubstr("\"bart\"")));
}

}  // namespace
}  // namespace emend
