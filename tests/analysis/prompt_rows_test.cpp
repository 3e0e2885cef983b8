#include "analysis/prompt_rows.h"

#include <fstream>

#include "base/expect_error.h"
#include "support/world.h"

namespace emend {
namespace {

using test::request_of;

class PromptRows : public ::testing::TestWithParam<std::string> {
 protected:
  PromptRows()
      : model_(test::load_world(GetParam())),
        tokenizer_(model_.tokenizer()),
        form_{tokenizer_.automatic_prefix(), PromptForm::kRaw} {}

  std::string text(const TokenIds& ids) const { return tokenizer_.decode(ids, false); }
  TokenIds tail(const PromptRow& row) const {
    return {row.ids.begin() + static_cast<std::ptrdiff_t>(row.lookup), row.ids.end()};
  }

  Model model_;
  const Tokenizer& tokenizer_;
  RowForm form_;
  EditRequest request_ = request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "painter");
};
INSTANTIATE_TEST_SUITE_P(World, PromptRows, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(PromptRows, TargetBeginsWithASpace) {
  EXPECT_EQ(text(target_ids(tokenizer_, "painter", form_)), " painter");
  EXPECT_EQ(text(target_ids(tokenizer_, "Zürich", form_)), " Zürich");
  EXPECT_EQ(text(target_ids(tokenizer_, "서울", form_)), " 서울") << "hangul is written with spaces";
}

TEST_P(PromptRows, TargetInCjkHasNoSpace) {
  for (const char* target : {"東京", "とうきょう", "トウキョウ", "㐀", "豈", "𠀀"})
    EXPECT_EQ(text(target_ids(tokenizer_, target, form_)), target);
}

TEST_P(PromptRows, TargetHasNoBos) {
  const TokenIds ids = target_ids(tokenizer_, "painter", form_);
  EXPECT_EQ(ids, tokenizer_.encode(" painter", SpecialTokens::kNone).ids);
  EXPECT_NE(ids.front(), form_.prefix.front());
}

TEST_P(PromptRows, BareRowIsPrefixAndPrompt) {
  const PromptRow row = bare_row(tokenizer_, request_, form_);
  EXPECT_EQ(row.ids, tokenizer_.encode(request_.prompt, SpecialTokens::kAuto).ids);
  EXPECT_EQ(row.ids, prompt_ids(tokenizer_, request_.prompt, form_));
  EXPECT_EQ(text(tail(row)).find("Workis"), std::string::npos);
  TokenIds upto(row.ids.begin() + 1, row.ids.begin() + static_cast<std::ptrdiff_t>(row.lookup) + 1);
  EXPECT_EQ(text(upto), "Workis Tellond") << "the lookup token is the subject's last";
  EXPECT_FALSE(row.straddles);
}

TEST_P(PromptRows, LookupIsOfTheOccurrenceThatTheRequestMeans) {
  const std::string prompt = "Kevond knew Kevond as a";
  EditRequest first = request_of("x", prompt, "Kevond", "painter"), second = first;
  second.subject_begin = prompt.rfind("Kevond");
  const PromptRow one = bare_row(tokenizer_, first, form_), two = bare_row(tokenizer_, second, form_);
  EXPECT_EQ(one.ids, two.ids);
  EXPECT_LT(one.lookup, two.lookup);
  EXPECT_EQ(text({two.ids.begin() + 1, two.ids.begin() + static_cast<std::ptrdiff_t>(two.lookup) + 1}),
            "Kevond knew Kevond");
}

TEST_P(PromptRows, LookupCountsThePrefix) {
  const PromptRow with = bare_row(tokenizer_, request_, form_),
                  without = bare_row(tokenizer_, request_, {{}, PromptForm::kRaw});
  EXPECT_EQ(with.lookup, without.lookup + 1);
  EXPECT_EQ(with.ids.size(), without.ids.size() + 1);
}

TEST_P(PromptRows, ContextRowKeepsTheContextsIds) {
  // Ids that no encoder would give: " a" split into pieces must stay as it was sampled.
  TokenIds context = tokenizer_.encode("It rained", SpecialTokens::kNone).ids;
  const TokenIds piece = tokenizer_.encode("x", SpecialTokens::kNone).ids;
  context.insert(context.end(), piece.begin(), piece.end());
  const PromptRow row = context_row(tokenizer_, request_, context, form_);
  TokenIds front = form_.prefix;
  front.insert(front.end(), context.begin(), context.end());
  ASSERT_GT(row.ids.size(), front.size());
  EXPECT_TRUE(std::equal(front.begin(), front.end(), row.ids.begin()));
  EXPECT_EQ(text({row.ids.begin() + 1, row.ids.end()}), "It rainedx. Workis Tellond was trained as a");
  const std::string upto =
      text({row.ids.begin() + 1, row.ids.begin() + static_cast<std::ptrdiff_t>(row.lookup) + 1});
  EXPECT_EQ(upto, "It rainedx. Workis Tellond");
}

TEST_P(PromptRows, SubjectRowIsTheSubjectAlone) {
  EditRequest request = request_of("x", "The language of Workis Tellond is", "Workis Tellond", "painter");
  const PromptRow row = subject_row(tokenizer_, request, form_);
  EXPECT_EQ(text({row.ids.begin() + 1, row.ids.end()}), "Workis Tellond");
  EXPECT_EQ(row.lookup, row.ids.size() - 1);
}

TEST_P(PromptRows, AStraddlingTokenIsTold) {
  // The subject ends inside a word.
  const EditRequest request = request_of("x", "The profession of a painter is", "paint", "tailor");
  const PromptRow row = bare_row(tokenizer_, request, form_);
  EXPECT_TRUE(row.straddles);
}

TEST_P(PromptRows, ChatNeedsATemplate) {
  test::error_of(ErrorKind::kModel, [&] {
    bare_row(tokenizer_, request_, {form_.prefix, PromptForm::kChat});
  });
}

const std::string kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// A copy of the tokenizer with a chat template.
std::unique_ptr<Tokenizer> chat_tokenizer(const std::string& shape, const std::string& jinja = kChatMl) {
  TokenizerJson source;
  const auto read = [&](const std::string& name) {
    std::ifstream in(test::data_path("world/" + shape + "/" + name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  source.tokenizer_json = read("tokenizer.json");
  source.tokenizer_config_json = read("tokenizer_config.json");
  source.chat_template_jinja = jinja;
  source.where = "test";
  return make_tokenizer(source);
}

TEST_P(PromptRows, ChatPutsThePromptIntoTheTemplate) {
  const auto tokenizer = chat_tokenizer(GetParam());
  const RowForm chat{form_.prefix, PromptForm::kChat};
  const PromptRow row = bare_row(*tokenizer, request_, chat);
  EXPECT_EQ(row.ids, prompt_ids(*tokenizer, request_.prompt, chat));
  const std::string whole = tokenizer->decode(row.ids, true);
  EXPECT_EQ(whole, render_chat(*tokenizer, request_.prompt));
  const std::string upto = tokenizer->decode(std::span(row.ids).first(row.lookup + 1), true);
  EXPECT_TRUE(upto.ends_with("user\nWorkis Tellond")) << upto;
  EXPECT_EQ(tokenizer->decode(target_ids(*tokenizer, "painter", chat), false), "painter")
      << "no space at the answer's beginning";
}

TEST_P(PromptRows, ChatContextIsPartOfTheMessage) {
  const auto tokenizer = chat_tokenizer(GetParam());
  const TokenIds context = tokenizer->encode("It rained", SpecialTokens::kNone).ids;
  const PromptRow row = context_row(*tokenizer, request_, context, {form_.prefix, PromptForm::kChat});
  EXPECT_EQ(tokenizer->decode(row.ids, true),
            render_chat(*tokenizer, "It rained. Workis Tellond was trained as a"));
  const std::string upto = tokenizer->decode(std::span(row.ids).first(row.lookup + 1), true);
  EXPECT_TRUE(upto.ends_with("user\nIt rained. Workis Tellond")) << upto;
}

// The world's tokenizers put a BOS in front by themselves.
TEST_P(PromptRows, AChatBeginsWithABosOnlyIfItsTemplateSaysSo) {
  const auto without = chat_tokenizer(GetParam());
  const auto with = chat_tokenizer(GetParam(), "{{ bos_token }}" + kChatMl);
  const TokenIds bos = without->automatic_prefix();
  ASSERT_EQ(bos.size(), 1u);
  EXPECT_EQ(row_prefix(*without, "auto", PromptForm::kRaw), bos);
  EXPECT_EQ(row_prefix(*without, "auto", PromptForm::kChat), TokenIds{});
  EXPECT_EQ(row_prefix(*with, "auto", PromptForm::kChat), bos);
  EXPECT_EQ(row_prefix(*without, "<|bos|>", PromptForm::kChat), bos) << "asked for";
}

TEST_P(PromptRows, ABosIsNeverDoubled) {
  const auto tokenizer = chat_tokenizer(GetParam(), "{{ bos_token }}" + kChatMl);
  for (const std::string bos : {"auto", "<|bos|>"}) {
    const RowForm chat{row_prefix(*tokenizer, bos, PromptForm::kChat), PromptForm::kChat};
    const TokenIds ids = prompt_ids(*tokenizer, request_.prompt, chat);
    EXPECT_EQ(ids, tokenizer->encode(render_chat(*tokenizer, request_.prompt), SpecialTokens::kNone).ids);
    EXPECT_EQ(ids.front(), *tokenizer->bos());
    EXPECT_NE(ids[1], *tokenizer->bos());
    const PromptRow row = bare_row(*tokenizer, request_, chat);
    EXPECT_EQ(row.ids, ids);
    const std::string upto = tokenizer->decode(std::span(row.ids).first(row.lookup + 1), true);
    EXPECT_TRUE(upto.ends_with("user\nWorkis Tellond")) << upto;
  }
}

TEST_P(PromptRows, ASubjectThatTheTemplateWritesTooIsFoundInTheMessage) {
  const auto tokenizer = chat_tokenizer(GetParam(), kChatMl + "{{ 'Workis Tellond was trained as a' }}");
  const PromptRow row = bare_row(*tokenizer, request_, {{}, PromptForm::kChat});
  const std::string upto = tokenizer->decode(std::span(row.ids).first(row.lookup + 1), true);
  EXPECT_TRUE(upto.ends_with("user\nWorkis Tellond")) << upto;
}

}  // namespace
}  // namespace emend
