#include "text/chat_template.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/tokenizer.h"
#include "text/unicode.h"

namespace emend {
namespace text {
namespace {

constexpr std::string_view kStart = "<|im_start|>";
constexpr std::string_view kEnd = "<|im_end|>";

// Reads the literal whose opening quote is at `at`; moves `at` behind the closing one.
std::string read_literal(std::string_view jinja, std::size_t& at) {
  const char delimiter = jinja[at++];
  std::string text;
  while (at < jinja.size() && jinja[at] != delimiter) {
    if (jinja[at] != '\\' || at + 1 >= jinja.size()) {
      text += jinja[at++];
      continue;
    }
    const char escaped = jinja[at + 1];
    at += 2;
    if (escaped == 'n') {
      text += '\n';
    } else if (escaped == 't') {
      text += '\t';
    } else if (escaped == 'r') {
      text += '\r';
    } else if (escaped == '\\' || escaped == '\'' || escaped == '"') {
      text += escaped;
    } else {
      text += '\\';
      text += escaped;
    }
  }
  if (at < jinja.size()) ++at;
  return text;
}

// Literals inside one tag, whose body begins at `at`; moves `at` behind its closing "}}" or "%}".
void read_tag(std::string_view jinja, char closing, std::size_t& at, std::vector<TemplatePiece>& pieces) {
  while (at < jinja.size()) {
    if (jinja[at] == '\'' || jinja[at] == '"') {
      const std::size_t position = at;
      pieces.push_back({read_literal(jinja, at), position});
    } else if (jinja[at] == closing && at + 1 < jinja.size() && jinja[at + 1] == '}') {
      at += 2;
      return;
    } else {
      ++at;
    }
  }
}

std::string without_spaces(std::string_view text) {
  std::string result;
  std::copy_if(text.begin(), text.end(), std::back_inserter(result), [](char c) { return c != ' '; });
  return result;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = leading_white_space(text);
  return text.substr(begin, std::max(begin, trailing_white_space(text)) - begin);
}

// "<|im_start|>system\nYou are ...<|im_end|>" written as one literal, or by way of a variable:
// {% set system_message = 'You are ...' %}.
std::optional<std::string> find_default_system(std::string_view jinja,
                                               const std::vector<TemplatePiece>& pieces) {
  const std::string opening = std::string(kStart) + "system\n";
  for (const TemplatePiece& piece : pieces) {
    const std::size_t begin = piece.text.find(opening);
    if (begin == std::string::npos) continue;
    const std::size_t content = begin + opening.size();
    const std::size_t end = piece.text.find(kEnd, content);
    if (end != std::string::npos) return piece.text.substr(content, end - content);
  }
  for (const TemplatePiece& piece : pieces) {
    const std::size_t tag = jinja.rfind("{%", piece.position);
    if (tag == std::string_view::npos) continue;
    const std::string before = without_spaces(jinja.substr(tag, piece.position - tag));
    const bool assigns = (before.starts_with("{%set") || before.starts_with("{%-set")) &&
                         before.ends_with('=') && !before.ends_with("==");
    if (assigns && before.find("system") != std::string::npos && !piece.text.empty()) return piece.text;
  }
  return std::nullopt;
}

// The literal behind the last "add_generation_prompt" that opens the assistant's turn.
std::string find_generation_prompt(std::string_view jinja, const std::vector<TemplatePiece>& pieces) {
  const std::string opening = std::string(kStart) + "assistant\n";
  const std::size_t flag = jinja.rfind("add_generation_prompt");
  if (flag == std::string_view::npos) return opening;
  for (const TemplatePiece& piece : pieces) {
    if (piece.position > flag && piece.text.starts_with(opening)) return piece.text;
  }
  return opening;
}

}  // namespace

std::vector<TemplatePiece> literals_of_template(std::string_view jinja) {
  std::vector<TemplatePiece> pieces;
  std::size_t text_begin = 0;
  std::size_t at = 0;
  const auto end_text = [&] {
    if (at > text_begin)
      pieces.push_back({std::string(jinja.substr(text_begin, at - text_begin)), text_begin});
  };
  while (at < jinja.size()) {
    const char kind = jinja[at] == '{' && at + 1 < jinja.size() ? jinja[at + 1] : '\0';
    if (kind != '{' && kind != '%' && kind != '#') {
      ++at;
      continue;
    }
    end_text();
    at += 2;
    if (kind == '#') {
      const std::size_t end = jinja.find("#}", at);
      at = end == std::string_view::npos ? jinja.size() : end + 2;
    } else {
      read_tag(jinja, kind == '{' ? '}' : '%', at, pieces);
    }
    text_begin = at;
  }
  end_text();
  return pieces;
}

std::optional<ChatMl> read_chatml(std::string_view jinja) {
  if (jinja.find(kStart) == std::string_view::npos || jinja.find(kEnd) == std::string_view::npos)
    return std::nullopt;
  const std::vector<TemplatePiece> pieces = literals_of_template(jinja);
  ChatMl result;
  if (auto system = find_default_system(jinja, pieces)) {
    result.default_system = std::move(*system);
    result.has_default_system = true;
  }
  result.generation_prompt = find_generation_prompt(jinja, pieces);
  const std::string dense = without_spaces(jinja);
  for (const std::string_view trim : {"content']|trim", "content\"]|trim", "content|trim"}) {
    result.trims_content = result.trims_content || dense.find(trim) != std::string::npos;
  }
  return result;
}

std::string kind_of_template(std::string_view jinja) {
  using Sign = std::pair<std::string_view, std::string_view>;
  constexpr std::array kSigns = std::to_array<Sign>({
      {"<|start_header_id|>", "Llama 3 (<|start_header_id|>)"},
      {"[INST]", "Llama 2 or Mistral ([INST])"},
      {"<start_of_turn>", "Gemma (<start_of_turn>)"},
      {"<|start_of_role|>", "Granite (<|start_of_role|>)"},
      {"<|user|>", "Zephyr or Phi-3 (<|user|>)"},
      {"<\xEF\xBD\x9CUser\xEF\xBD\x9C>", "DeepSeek (<\xEF\xBD\x9CUser\xEF\xBD\x9C>)"},
      {"### Instruction", "Alpaca (### Instruction)"},
  });
  for (const auto& [sign, name] : kSigns) {
    if (jinja.find(sign) != std::string_view::npos) return std::string(name);
  }
  return "a kind that is not known";
}

}  // namespace text

std::string render_chat(const Tokenizer& tokenizer, std::string_view user_message) {
  const std::string& jinja = tokenizer.chat_template();
  if (jinja.empty()) throw Error(ErrorKind::kModel, "the model has no chat template; use the raw form");
  const std::optional<text::ChatMl> chat = text::read_chatml(jinja);
  if (!chat) {
    throw Error(ErrorKind::kModel,
                "the model's chat template is not ChatML (<|im_start|>), the only kind that is supported; "
                "it looks like " +
                    text::kind_of_template(jinja));
  }
  std::string rendered;
  const auto add_turn = [&rendered](std::string_view role, std::string_view content) {
    rendered.append(text::kStart).append(role).append("\n").append(content).append(text::kEnd).append("\n");
  };
  if (chat->has_default_system) add_turn("system", chat->default_system);
  add_turn("user", chat->trims_content ? text::trimmed(user_message) : user_message);
  return rendered + chat->generation_prompt;
}

}  // namespace emend
