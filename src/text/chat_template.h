// Chat templates without a Jinja interpreter: what a ChatML template writes can be read off its string
// literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// The texts that a Jinja template can write, in order: its string literals (escapes resolved) and what stands
// outside of {{ }} and {% %}. Comments are left out.
struct TemplatePiece {
  std::string text;
  std::size_t position = 0;  // in the template
};
std::vector<TemplatePiece> literals_of_template(std::string_view jinja);

// What a ChatML template puts around one user message.
struct ChatMl {
  std::string default_system;  // the system message when the caller gives none; empty: the template has none
  bool has_default_system = false;
  bool trims_content = false;
  std::string generation_prompt;  // "<|im_start|>assistant\n", and what the template adds to it
};

// std::nullopt if the template is not ChatML.
std::optional<ChatMl> read_chatml(std::string_view jinja);

// "Llama 3 headers", "[INST] ... [/INST]", ...: for messages.
std::string kind_of_template(std::string_view jinja);

}  // namespace emend::text
