// Text to token ids with byte spans, and back. Byte-level BPE as in GPT-2, Llama 3 and SmolLM2, BPE over
// characters as in Llama 2, Mistral and Gemma, and unigram models, read from tokenizer.json or from GGUF
// metadata. Ids equal those of the `tokenizers` package.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emend {

// Bytes [begin, end) of the text that was encoded.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<ByteSpan> spans;  // one a token; a token that stands for no text (a BOS) has an empty span
};

enum class SpecialTokens {
  kNone,  // ids of the text alone
  kAuto,  // with what the tokenizer's own post-processor adds (Llama 3: BOS in front)
};

// Where a text stands in a row of tokens. Some tokenizers put a space in front of a text (Llama 2: "Hello" is
// "\u2581Hello"); what continues a text must not get one.
enum class Position {
  kStart,        // it begins the row, but for ids such as BOS
  kContinuation  // ids of other text come before it
};

// Immutable after loading; any thread may call any method.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // `text` is UTF-8; bytes that are not are read as U+FFFD, their spans still cover the original bytes. Added
  // tokens that stand in the text are recognised. The spans are in order; pieces of one character share that
  // character's bytes as `tokenizers` has it only where its byte-level offsets do: here each token's span is
  // exactly the bytes that it stands for.
  virtual Encoding encode(std::string_view text, SpecialTokens specials,
                          Position position = Position::kStart) const = 0;

  // Bytes of the ids joined, invalid UTF-8 replaced by U+FFFD. At the start of a text the space that
  // encode() put there is left out, where the tokenizer's own decoder does so. Throws Error(kConfig) for an
  // id outside the vocabulary.
  virtual std::string decode(std::span<const std::int64_t> ids, bool skip_special,
                             Position position = Position::kStart) const = 0;

  // The bytes that one token stands for (may be a part of a character).
  virtual std::string token_bytes(std::int64_t id) const = 0;

  // One past the highest id.
  virtual std::int64_t size() const = 0;

  // The id of an added token or vocabulary entry with exactly this content, e.g. "<|endoftext|>".
  virtual std::optional<std::int64_t> find(std::string_view content) const = 0;
  virtual bool is_special(std::int64_t id) const = 0;

  virtual std::optional<std::int64_t> bos() const = 0;  // as the files name it, whether or not it is added
  virtual std::optional<std::int64_t> eos() const = 0;
  // The ids that SpecialTokens::kAuto puts in front; empty for GPT-2 and SmolLM2.
  virtual const std::vector<std::int64_t>& automatic_prefix() const = 0;

  // Special tokens by the names that a chat template knows: {"bos_token", "<s>"}, {"eos_token", "</s>"}, ...
  virtual const std::vector<std::pair<std::string, std::string>>& named_special_tokens() const = 0;

  // The Jinja text of the model's chat template; empty when it has none.
  virtual const std::string& chat_template() const = 0;

  // Remarks on how the files were read, one sentence each: "... names no pre-tokenizer; ...".
  virtual const std::vector<std::string>& warnings() const = 0;

  // Hex SHA-256 over all that ids depend on (vocabulary, merges, rules, added tokens).
  virtual const std::string& fingerprint() const = 0;
};

// The tokenizer's files of a checkpoint folder as text; each is empty when the file is absent. Either
// tokenizer_json is needed, or vocab_json and merges_txt: what the slow tokenizers of GPT-2 and similar
// models saved.
struct TokenizerJson {
  std::string tokenizer_json = {};
  std::string tokenizer_config_json = {};  // special and added tokens, chat_template
  std::string chat_template_jinja = {};    // takes precedence over the one in tokenizer_config.json
  std::string where = {};                  // path of tokenizer.json (or of vocab.json), for messages
  std::string special_tokens_map_json = {};
  std::string added_tokens_json = {};
  std::string vocab_json = {};  // read only where there is no tokenizer.json, with merges.txt
  std::string merges_txt = {};
  std::string model_type =
      {};  // of config.json: names the kind of tokenizer if tokenizer_config.json does not
};

// The tokenizer.ggml.* keys of a GGUF file as plain values.
struct TokenizerGguf {
  std::string model;  // "gpt2": byte-level BPE; "llama": BPE by scores; any other is refused by name
  std::string pre;    // "gpt-2", "llama-bpe", "smollm", ...; empty is "default"; an unknown one is refused
  std::vector<std::string> tokens;
  std::vector<std::int64_t> token_type;
  std::vector<std::string> merges;
  std::vector<double> scores;  // one a token, for "llama"
  std::optional<std::int64_t> bos_id, eos_id, unknown_id;
  std::optional<bool> add_bos, add_eos;
  std::optional<bool>
      add_space_prefix;  // for "llama": a space in front of every text; true if the file does not state it
  std::string chat_template;
  std::string huggingface_json;  // a complete tokenizer.json, preferred when present
  std::string where;
};

// Throws Error(kFormat) naming file and field: not JSON, an unknown component type, a merge outside the
// vocabulary, ...
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerJson& source);
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerGguf& source);

// What a template may ask for besides the message.
struct ChatOptions {
  // The date that strftime_now returns: fixed, so that a prompt has the same tokens on every day.
  int year = 2024;
  int month = 7;
  int day = 26;
};

// The text that the model sees for one user message: the model's own chat template, rendered as transformers
// does with messages = [the message] and add_generation_prompt = true. Throws Error(kModel) when there is no
// template, and with line and column when it cannot be rendered: a construct that is not supported, or an
// error that the template itself raises (raise_exception).
std::string render_chat(const Tokenizer& tokenizer, std::string_view user_message,
                        const ChatOptions& options = {});

// The same, with the place of the message.
struct ChatText {
  std::string text;
  ByteSpan message;           // of `text`: the message, or what the template leaves of it
  std::size_t taken_off = 0;  // bytes of white space that the template removes at its beginning
};

// Also throws Error(kConfig) when the template changes the message by more than white space around it. The
// place is found by rendering once more with a mark around the message, so that words of the template are
// never taken for it.
ChatText render_chat_with_place(const Tokenizer& tokenizer, std::string_view user_message,
                                const ChatOptions& options = {});

// Bytes of the message as bytes of the chat text. Throws Error(kConfig) when the template removes some of
// them.
ByteSpan place_in_chat(const ChatText& chat, ByteSpan span);

// The ids of words that follow a text: those of " " + words as a continuation. There is no space before
// scripts that are written without spaces between words: kana and CJK ideographs.
std::vector<std::int64_t> encode_next_words(const Tokenizer& tokenizer, const std::string& words);

// The last token that overlaps the bytes of `subject`; whether a token straddles its end is reported, since
// BPE may merge across it (ROME's lookup token; Meng et al. 2022, section 3.1).
struct SubjectTokens {
  std::size_t first = 0;         // index of the first token that overlaps the subject
  std::size_t last = 0;          // index of the last one: the lookup token
  bool straddles_end = false;    // the last token also covers bytes after the subject
  bool straddles_begin = false;  // the first token also covers bytes before it, other than one space
};

// Throws Error(kConfig) when no token overlaps the span. `text` is what was encoded; without it, one byte
// before the subject is taken for a space.
SubjectTokens find_subject_tokens(const Encoding& encoding, ByteSpan subject, std::string_view text = {});

// The ids that begin every text: what the tokenizer itself adds for "auto", no ids for "none", else the
// token of that name. Throws Error(kConfig) when the tokenizer has no such token.
std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice);

}  // namespace emend
