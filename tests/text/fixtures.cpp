#include "fixtures.h"

#include <openssl/evp.h>

#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace emend::test {
namespace {

std::string from_base64(const std::string& encoded) {
  std::string bytes(encoded.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                  reinterpret_cast<const unsigned char*>(encoded.data()), static_cast<int>(encoded.size()));
  const std::size_t padding = encoded.ends_with("==") ? 2 : encoded.ends_with("=") ? 1 : 0;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

std::filesystem::path folder() {
  return std::filesystem::path(EMEND_TEST_DATA) / "tokenizers";
}

}  // namespace

std::string read_fixture(const std::string& file) {
  return read_text_file(folder() / file);
}

std::vector<RecordedText> read_records(const std::string& name) {
  const Json texts = read_json_file(folder() / "texts.json");
  const Json records = read_json_file(folder() / (name + "_ids.json"));
  EXPECT_EQ(texts.size(), records.size());
  std::vector<RecordedText> result;
  for (std::size_t i = 0; i < records.size(); ++i) {
    RecordedText record;
    record.text = from_base64(texts[i].get<std::string>());
    record.ids = records[i].at("ids").get<std::vector<std::int64_t>>();
    record.auto_ids = records[i].value("auto", record.ids);
    record.decoded = records[i].value("decoded", text::lossy_utf8(record.text));
    result.push_back(record);
  }
  return result;
}

TokenizerGguf byte_level_keys(const std::string& name, const std::string& pre) {
  const Json document = Json::parse(read_fixture(name + ".json"));
  TokenizerGguf source;
  source.model = "gpt2";
  source.pre = pre;
  source.where = "model.gguf";
  const auto put = [&](std::size_t id, const std::string& token, std::int64_t type) {
    if (id >= source.tokens.size()) {
      source.tokens.resize(id + 1);
      source.token_type.resize(id + 1, 1);
    }
    source.tokens[id] = token;
    source.token_type[id] = type;
  };
  for (const auto& [token, id] : document["model"]["vocab"].items()) put(id.get<std::size_t>(), token, 1);
  for (const auto& token : document["added_tokens"]) {
    put(token["id"].get<std::size_t>(), token["content"].get<std::string>(),
        token["special"].get<bool>() ? 3 : 4);
  }
  for (const auto& merge : document["model"]["merges"]) {
    source.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return source;
}

TokenizerGguf spm_keys(const std::string& name) {
  const Json document = Json::parse(read_fixture(name + ".json"));
  TokenizerGguf source;
  source.model = "llama";
  source.tokens = document.at("tokens").get<std::vector<std::string>>();
  source.scores = document.at("scores").get<std::vector<double>>();
  source.token_type = document.at("types").get<std::vector<std::int64_t>>();
  source.add_space_prefix = document.at("add_space_prefix").get<bool>();
  source.unknown_id = 0;
  source.bos_id = 1;
  source.eos_id = 2;
  source.where = "spm.gguf";
  return source;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& name) {
  if (name.starts_with("spm")) return make_tokenizer(spm_keys(name));
  TokenizerJson source;
  source.tokenizer_json = read_fixture(name + ".json");
  source.where = name + ".json";
  return make_tokenizer(source);
}

std::string minimal_tokenizer_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[text::spelling_of_bytes(std::string(1, static_cast<char>(byte)))] = byte;
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  vocab["<|end|>"] = 258;
  const Json document = {
      {"version", "1.0"},
      {"added_tokens", {{{"id", 258}, {"content", "<|end|>"}, {"special", true}, {"normalized", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b", "ab c"}}}},
  };
  return document.dump();
}

testing::AssertionResult spans_cover(const Encoding& encoding, std::size_t bytes) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < encoding.spans.size(); ++i) {
    const ByteSpan& span = encoding.spans[i];
    if (span.begin != at || span.end < span.begin) {
      return testing::AssertionFailure() << "token " << i << " covers [" << span.begin << ", " << span.end
                                         << "), the one before it ends at " << at;
    }
    at = span.end;
  }
  if (at != bytes) return testing::AssertionFailure() << "the last token ends at " << at << " of " << bytes;
  return testing::AssertionSuccess();
}

testing::AssertionResult spans_cover_with_sharing(const Encoding& encoding, std::size_t bytes) {
  ByteSpan last{0, 0};
  for (std::size_t i = 0; i < encoding.spans.size(); ++i) {
    const ByteSpan& span = encoding.spans[i];
    const bool in_order = span.begin >= last.begin && span.end >= last.end && span.begin <= span.end;
    if (!in_order || span.begin > last.end) {
      return testing::AssertionFailure() << "token " << i << " covers [" << span.begin << ", " << span.end
                                         << "), the one before it [" << last.begin << ", " << last.end << ")";
    }
    last = span;
  }
  if (last.end != bytes)
    return testing::AssertionFailure() << "the last token ends at " << last.end << " of " << bytes;
  return testing::AssertionSuccess();
}

}  // namespace emend::test
