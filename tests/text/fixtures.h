// The recorded tokenizers of tests/data/tokenizers (tools/fixtures/tiny_tokenizers.py makes them).
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emend/tokenizer.h"
#include "tests/base/expect_error.h"

namespace emend::test {

// What `tokenizers` makes of one text.
struct RecordedText {
  std::string text;  // may be no UTF-8
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> auto_ids;  // with special tokens
  std::string decoded;                 // of `ids`
};

std::string read_fixture(const std::string& file);
std::vector<RecordedText> read_records(const std::string& name);
// The keys that a converter would write for a recorded tokenizer.json of byte-level BPE.
TokenizerGguf byte_level_keys(const std::string& name, const std::string& pre);
// A small SentencePiece model ("spm", "spm_gemma") as the keys of a GGUF file.
TokenizerGguf spm_keys(const std::string& name);
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& name);

// A tokenizer.json with single bytes, a few merges and one special token; tests change parts of it.
std::string minimal_tokenizer_json();

// Each token's span joins the one before it, and all of them cover `bytes` bytes.
testing::AssertionResult spans_cover(const Encoding& encoding, std::size_t bytes);

// The same for texts whose characters were rewritten: spans may share a rewritten character, but leave no
// byte out and never go back.
testing::AssertionResult spans_cover_with_sharing(const Encoding& encoding, std::size_t bytes);

}  // namespace emend::test
