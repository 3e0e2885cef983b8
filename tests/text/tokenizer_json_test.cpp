#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::unique_ptr<Tokenizer> load(const Json& document, const std::string& config = "",
                                const std::string& jinja = "") {
  return make_tokenizer(TokenizerJson{document.dump(), config, jinja, "folder/tokenizer.json"});
}

Json minimal() {
  return Json::parse(test::minimal_tokenizer_json());
}

// The message for a file in which the value at `pointer` is replaced.
std::string refusal(const std::string& pointer, const Json& value) {
  Json document = minimal();
  document[Json::json_pointer(pointer)] = value;
  return test::error_of(ErrorKind::kFormat, [&] { load(document); });
}

std::string refusal_without(const std::string& object, const std::string& key) {
  Json document = minimal();
  document[Json::json_pointer(object)].erase(key);
  return test::error_of(ErrorKind::kFormat, [&] { load(document); });
}

TEST(TokenizerJson, LoadsAMinimalFile) {
  const auto tokenizer = load(minimal());
  EXPECT_THAT(tokenizer->encode("abcab<|end|>", SpecialTokens::kAuto).ids, ElementsAre(257, 256, 258));
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->find("<|end|>"), 258);
  EXPECT_EQ(tokenizer->find("abc"), 257);
  EXPECT_EQ(tokenizer->find("\u0120"), 32);
  EXPECT_EQ(tokenizer->find("nothing"), std::nullopt);
  EXPECT_TRUE(tokenizer->is_special(258));
  EXPECT_FALSE(tokenizer->is_special(257));
  EXPECT_EQ(tokenizer->token_bytes(32), " ");
  EXPECT_TRUE(tokenizer->automatic_prefix().empty());
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->fingerprint().size(), 64u);
}

TEST(TokenizerJson, DecodeLeavesSpecialTokensOutWhenAsked) {
  const auto tokenizer = load(minimal());
  const std::vector<std::int64_t> ids = {257, 258, 0xE9};
  EXPECT_EQ(tokenizer->decode(ids, false), "abc<|end|>\ufffd");
  EXPECT_EQ(tokenizer->decode(ids, true), "abc\ufffd");
}

TEST(TokenizerJson, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = load(minimal());
  for (const std::int64_t id : {-1, 259, 1 << 30}) {
    EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { tokenizer->decode(std::vector{id}, false); }),
                HasSubstr("token id " + std::to_string(id) + " is not in the vocabulary (ids 0 to 258)"));
    EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { tokenizer->token_bytes(id); }),
                HasSubstr("not in the vocabulary"));
  }
}

TEST(TokenizerJson, ReadsTheConfigBesideIt) {
  const Json config = {{"bos_token", {{"content", "<|end|>"}}}, {"eos_token", "abc"}, {"chat_template", "T"}};
  const auto tokenizer = load(minimal(), config.dump());
  EXPECT_EQ(tokenizer->bos(), 258);
  EXPECT_EQ(tokenizer->eos(), 257);
  EXPECT_EQ(tokenizer->chat_template(), "T");
  const std::vector<std::pair<std::string, std::string>> special = {{"bos_token", "<|end|>"},
                                                                    {"eos_token", "abc"}};
  EXPECT_EQ(tokenizer->named_special_tokens(), special);
  EXPECT_EQ(load(minimal(), config.dump(), "J")->chat_template(), "J");
  const Json named = {
      {"chat_template",
       {{{"name", "tool_use"}, {"template", "x"}}, {{"name", "default"}, {"template", "y"}}}}};
  EXPECT_EQ(load(minimal(), named.dump())->chat_template(), "y");
}

TEST(TokenizerJson, NamesTheConfigInItsErrors) {
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [] { load(minimal(), "{\"bos_token\": 3}"); }),
              HasSubstr("folder/tokenizer_config.json: \"bos_token\""));
}

TEST(TokenizerJson, NewAddedTokensFollowTheVocabulary) {
  Json document = minimal();
  document["added_tokens"].push_back({{"id", 7}, {"content", "<new>"}});
  document["added_tokens"].push_back({{"id", 7}, {"content", "<newer>"}});
  const auto tokenizer = load(document);
  EXPECT_EQ(tokenizer->find("<new>"), 259);
  EXPECT_EQ(tokenizer->find("<newer>"), 260);
  EXPECT_EQ(tokenizer->size(), 261);
}

TEST(TokenizerJson, WrapsTextsInTheTemplate) {
  Json document = minimal();
  document["post_processor"] = {{"type", "TemplateProcessing"},
                                {"single",
                                 {{{"SpecialToken", {{"id", "<|end|>"}}}},
                                  {{"Sequence", {{"id", "A"}}}},
                                  {{"SpecialToken", {{"id", "<|end|>"}}}}}},
                                {"special_tokens", {{"<|end|>", {{"ids", {258}}}}}}};
  const auto tokenizer = load(document);
  const Encoding encoding = tokenizer->encode("ab", SpecialTokens::kAuto);
  EXPECT_THAT(encoding.ids, ElementsAre(258, 256, 258));
  EXPECT_EQ(encoding.spans[0].end, 0u);
  EXPECT_EQ(encoding.spans[2].begin, 2u);
  EXPECT_THAT(tokenizer->encode("ab", SpecialTokens::kNone).ids, ElementsAre(256));
  EXPECT_THAT(tokenizer->automatic_prefix(), ElementsAre(258));
  EXPECT_EQ(tokenizer->bos(), 258);
  document["post_processor"]["special_tokens"]["<|end|>"]["ids"] = {900};
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { load(document); }), HasSubstr("900 is no token"));
}

TEST(TokenizerJson, AcceptsMergesAsPairs) {
  Json document = minimal();
  document["model"]["merges"] = Json::parse(R"([["a", "b"], ["ab", "c"]])");
  EXPECT_EQ(load(document)->fingerprint(), load(minimal())->fingerprint());
}

TEST(TokenizerJson, TheFingerprintSeesAllThatIdsDependOn) {
  const std::string base = load(minimal())->fingerprint();
  const auto changed = [&](const std::string& pointer, const Json& value) {
    Json document = minimal();
    document[Json::json_pointer(pointer)] = value;
    return load(document)->fingerprint();
  };
  EXPECT_NE(changed("/model/merges", {"a b"}), base);
  EXPECT_NE(changed("/model/ignore_merges", true), base);
  EXPECT_NE(changed("/model/vocab/abcd", 300), base);
  EXPECT_NE(changed("/normalizer", {{"type", "NFC"}}), base);
  EXPECT_NE(changed("/pre_tokenizer/add_prefix_space", true), base);
  EXPECT_NE(changed("/added_tokens/0/lstrip", true), base);
  EXPECT_EQ(changed("/decoder", nullptr), base);
}

TEST(TokenizerJson, RefusesWhatIsNotJson) {
  const auto message = [](const std::string& text) {
    return test::error_of(ErrorKind::kFormat, [&] {
      make_tokenizer(TokenizerJson{text, "", "", "tokenizer.json"});
    });
  };
  EXPECT_THAT(message("{\"model\": "), StartsWith("tokenizer.json:1:"));
  EXPECT_THAT(message(""), StartsWith("tokenizer.json:1:1"));
  EXPECT_THAT(message("[]"), HasSubstr("must be an object"));
}

TEST(TokenizerJson, NamesMissingFields) {
  EXPECT_THAT(refusal_without("", "model"),
              AllOf(StartsWith("folder/tokenizer.json: "), HasSubstr("\"model\" is missing")));
  EXPECT_THAT(refusal_without("/model", "vocab"), HasSubstr("\"model.vocab\" is missing"));
  EXPECT_THAT(refusal_without("/model", "merges"), HasSubstr("\"model.merges\" is missing"));
  EXPECT_THAT(refusal_without("/pre_tokenizer", "type"), HasSubstr("\"pre_tokenizer.type\" is missing"));
}

TEST(TokenizerJson, NamesUnknownKinds) {
  EXPECT_THAT(refusal("/model/type", "Unigram"), AllOf(HasSubstr("\"model.type\""), HasSubstr("Unigram")));
  EXPECT_THAT(refusal("/normalizer", {{"type", "Nmt"}}),
              AllOf(HasSubstr("\"normalizer.type\""), HasSubstr("\"Nmt\"")));
  EXPECT_THAT(refusal("/pre_tokenizer/type", "UnicodeScripts"),
              AllOf(HasSubstr("\"pre_tokenizer.type\""), HasSubstr("UnicodeScripts")));
  EXPECT_THAT(refusal("/post_processor", {{"type", "BertProcessing"}}), HasSubstr("BertProcessing"));
  EXPECT_THAT(refusal("/decoder/type", "WordPiece"),
              AllOf(HasSubstr("\"decoder.type\""), HasSubstr("WordPiece")));
}

TEST(TokenizerJson, RefusesModelOptionsThatItDoesNotFollow) {
  EXPECT_THAT(refusal("/model/byte_fallback", true), HasSubstr("\"model.byte_fallback\""));
  EXPECT_THAT(refusal("/model/end_of_word_suffix", "</w>"), HasSubstr("\"model.end_of_word_suffix\""));
  Json document = minimal();
  document["model"]["unk_token"] = "<|end|>";
  EXPECT_NO_THROW(load(document));
  document["model"]["vocab"].erase("z");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { load(document); }),
              AllOf(HasSubstr("\"model.unk_token\""), HasSubstr("0x7A")));
}

TEST(TokenizerJson, NamesTheMergeThatDoesNotFit) {
  EXPECT_THAT(refusal("/model/merges", {"a b", "a zz"}),
              AllOf(HasSubstr("\"model.merges\""), HasSubstr("merge 1"), HasSubstr("needs \"zz\"")));
  EXPECT_THAT(refusal("/model/merges", {"b a"}), HasSubstr("needs \"ba\""));
  EXPECT_THAT(refusal("/model/merges", {"a b c"}), HasSubstr("merge 0 must be"));
  EXPECT_THAT(refusal("/model/merges", {3}), HasSubstr("merge 0 must be"));
  EXPECT_THAT(refusal("/model/merges", "a b"), HasSubstr("must be an array"));
}

TEST(TokenizerJson, NamesTheTokenWithABadId) {
  EXPECT_THAT(refusal("/model/vocab/abc", -1), AllOf(HasSubstr("\"model.vocab\""), HasSubstr("\"abc\"")));
  EXPECT_THAT(refusal("/model/vocab/abc", 4000000000u), HasSubstr("\"abc\""));
  EXPECT_THAT(refusal("/model/vocab/abc", "x"), HasSubstr("\"abc\""));
  EXPECT_THAT(refusal("/model/vocab/abc", 256), HasSubstr("another token"));
  EXPECT_THAT(refusal("/model/vocab", Json::object()), HasSubstr("at least one token"));
}

TEST(TokenizerJson, NamesTheFieldOfABadPreTokenizer) {
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}};
  const Json byte_level = {{"type", "ByteLevel"}, {"use_regex", false}, {"add_prefix_space", false}};
  const auto sequence = [](const std::vector<Json>& parts) {
    return Json{{"type", "Sequence"}, {"pretokenizers", parts}};
  };
  EXPECT_THAT(refusal("/pre_tokenizer", sequence({split, byte_level})),
              HasSubstr("\"pre_tokenizer.pretokenizers[0].pattern.Regex\": the regex ( does not compile"));
  Json behavior = split;
  behavior["pattern"] = {{"String", "x"}};
  behavior["behavior"] = "Kept";
  EXPECT_THAT(refusal("/pre_tokenizer", sequence({behavior, byte_level})),
              HasSubstr("pretokenizers[0].behavior"));
  behavior["behavior"] = "Removed";
  EXPECT_THAT(refusal("/pre_tokenizer", sequence({byte_level, byte_level})),
              HasSubstr("in front of ByteLevel"));
}

TEST(TokenizerJson, NamesTheFieldOfABadModelOnCharacters) {
  const Json sound = Json::parse(test::read_fixture("llama2.json"));
  const auto refused = [&](const char* pointer, const Json& value) {
    Json document = sound;
    document[Json::json_pointer(pointer)] = value;
    return test::error_of(ErrorKind::kFormat, [&] { load(document); });
  };
  EXPECT_THAT(refused("/model/unk_token", "<none>"), HasSubstr("\"model.unk_token\""));
  EXPECT_THAT(refused("/decoder", nullptr), HasSubstr("\"decoder\" must be an object"));
  EXPECT_THAT(refused("/decoder/decoders/0/type", "CTC"), HasSubstr("\"decoder.decoders[0].type\""));
  const Json metaspace = {{"type", "Metaspace"}, {"replacement", "ab"}};
  EXPECT_THAT(refused("/pre_tokenizer", metaspace), HasSubstr("one character"));
  const Json scheme = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "often"}};
  EXPECT_THAT(refused("/pre_tokenizer", scheme), HasSubstr("always, first, never"));
}

TEST(TokenizerJson, NamesTheFieldOfABadUnigramModel) {
  const Json sound = Json::parse(test::read_fixture("unigram.json"));
  const auto refused = [&](const char* pointer, const Json& value) {
    Json document = sound;
    document[Json::json_pointer(pointer)] = value;
    return test::error_of(ErrorKind::kFormat, [&] { load(document); });
  };
  EXPECT_THAT(refused("/model/vocab/3", "x"), HasSubstr("entry 3"));
  EXPECT_THAT(refused("/model/vocab/4", sound["model"]["vocab"][3]), HasSubstr("is there twice"));
  EXPECT_THAT(refused("/model/vocab", Json::array()), HasSubstr("\"model.vocab\""));
  EXPECT_THAT(refused("/model/unk_id", 100000), HasSubstr("\"model.unk_id\""));
  EXPECT_THAT(refused("/pre_tokenizer", {{"type", "ByteLevel"}}), HasSubstr("\"model.type\""));
}

TEST(TokenizerJson, ABrokenFileNeverCrashes) {
  const std::string whole = minimal().dump();
  for (std::size_t cut = 0; cut < whole.size(); cut += 7) {
    EXPECT_THROW(make_tokenizer(TokenizerJson{whole.substr(0, cut), "", "", "t"}), Error);
  }
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    for (const char byte : {'\0', '"', '9', '\xff', '['}) {
      std::string broken = whole;
      broken[at] = byte;
      try {
        make_tokenizer(TokenizerJson{broken, "", "", "t"});
      } catch (const Error& error) {
        ASSERT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kFormat));
      }
    }
  }
}

}  // namespace
}  // namespace emend
