#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/characters.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

void append_unit(std::string& out, std::uint32_t unit) {
  out += fmt::format("\\u{:04x}", unit);
}

std::string json_string(std::string_view text, bool ascii_only) {
  std::string out = "\"";
  for (const std::string_view character : characters(text)) {
    const char32_t c = code_point_at(character, 0).code_point;
    const std::size_t known = std::string_view("\"\\\n\r\t\f\b").find(static_cast<char>(c));
    if (c < 0x80 && known != std::string_view::npos) {
      out += '\\';
      out += "\"\\nrtfb"[known];
    } else if (c < 0x20 || (ascii_only && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
      append_unit(out, c);
    } else if (ascii_only && c >= 0x10000) {
      append_unit(out, 0xD800 + ((c - 0x10000) >> 10));
      append_unit(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out.append(character);
    }
  }
  return out + "\"";
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  void write(const Value& value) {
    const Runtime::Nested nested(runtime_);
    runtime_.step();
    switch (value.kind()) {
      case Kind::kNone:
        return append("null");
      case Kind::kBool:
        return append(value.boolean() ? "true" : "false");
      case Kind::kInt:
        return append(fmt::format("{}", value.integer()));
      case Kind::kFloat:
        return append(json_float(value.number()));
      case Kind::kString:
        return append(json_string(value.text(), style_.ascii_only));
      case Kind::kList:
      case Kind::kTuple:
        return array(value.items());
      case Kind::kDict:
        return object(value.entries());
      case Kind::kUndefined:
        throw Fault{value.why() + ", so that tojson cannot write it"};
      default:
        throw Fault{fmt::format("tojson cannot write {}", type_name(value))};
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void append(std::string_view text) { runtime_.append(out_, text); }

  void new_line() {
    if (!style_.indent) return;
    append("\n");
    for (int i = 0; i < level_; ++i) append(*style_.indent);
  }

  void array(const std::vector<Value>& items) {
    if (items.empty()) return append("[]");
    append("[");
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) append(style_.item_separator);
      new_line();
      write(items[i]);
    }
    --level_;
    new_line();
    append("]");
  }

  void object(const std::vector<Entry>& unsorted) {
    if (unsorted.empty()) return append("{}");
    std::vector<Entry> entries = unsorted;
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const Entry& a, const Entry& b) { return less(runtime_, a.first, b.first); });
    append("{");
    ++level_;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) append(style_.item_separator);
      new_line();
      append(json_string(key(entries[i].first), style_.ascii_only));
      append(style_.key_separator);
      write(entries[i].second);
    }
    --level_;
    new_line();
    append("}");
  }

  static std::string key(const Value& value) {
    switch (value.kind()) {
      case Kind::kString:
        return value.text();
      case Kind::kNone:
        return "null";
      case Kind::kBool:
        return value.boolean() ? "true" : "false";
      case Kind::kInt:
        return fmt::format("{}", value.integer());
      case Kind::kFloat:
        return json_float(value.number());
      default:
        throw Fault{fmt::format("tojson cannot write the key {}", type_name(value))};
    }
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.write(value);
  return writer.take();
}

}  // namespace emend::text::jinja
