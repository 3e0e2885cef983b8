#include "text/jinja/python_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/characters.h"
#include "text/jinja/loop.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

void append_escaped(std::string& out, char32_t c, std::string_view bytes, char delimiter) {
  if (c == static_cast<char32_t>(delimiter) || c == '\\') {
    out += '\\';
    out.append(bytes);
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (is_printable(c)) {
    out.append(bytes);
  } else if (c < 0x100) {
    out += fmt::format("\\x{:02x}", std::uint32_t{c});
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", std::uint32_t{c});
  } else {
    out += fmt::format("\\U{:08x}", std::uint32_t{c});
  }
}

std::string string_repr(std::string_view text) {
  const bool double_quotes =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char delimiter = double_quotes ? '"' : '\'';
  std::string out(1, delimiter);
  for (const std::string_view character : characters(text))
    append_escaped(out, code_point_at(character, 0).code_point, character, delimiter);
  return out + delimiter;
}

class Writer {
 public:
  explicit Writer(Runtime& runtime) : runtime_(runtime) {}

  void write(const Value& value) {
    const Runtime::Nested nested(runtime_);
    runtime_.step();
    switch (value.kind()) {
      case Kind::kUndefined:
        return append("Undefined");
      case Kind::kNone:
        return append("None");
      case Kind::kBool:
        return append(value.boolean() ? "True" : "False");
      case Kind::kInt:
        return append(fmt::format("{}", value.integer()));
      case Kind::kFloat:
        return append(float_repr(value.number()));
      case Kind::kString:
        return append(value.is_markup() ? "Markup(" + string_repr(value.text()) + ")"
                                        : string_repr(value.text()));
      case Kind::kList:
        return items("[", value.items(), "]");
      case Kind::kTuple:
        return items("(", value.items(), value.items().size() == 1 ? ",)" : ")");
      case Kind::kRange:
        return append(value.range_repr());
      case Kind::kDictKeys:
        return items("dict_keys([", value.items(), "])");
      case Kind::kDictValues:
        return items("dict_values([", value.items(), "])");
      case Kind::kDictItems:
        return items("dict_items([", value.items(), "])");
      case Kind::kDict:
        return dict(value.entries());
      case Kind::kNamespace:
        return name_space(value.name_space());
      case Kind::kLoop:
        return append(fmt::format("<LoopContext {}/{}>", value.loop().index0() + 1, value.loop().length()));
      case Kind::kCallable:
        if (!value.function().repr.empty()) return append(value.function().repr);
        break;
      case Kind::kIterator:
        break;
    }
    throw Fault{fmt::format("{} has no text of its own; is a filter such as 'list' or a call missing?",
                            type_name(value))};
  }

  std::string take() { return std::move(out_); }

 private:
  void append(std::string_view text) { runtime_.append(out_, text); }

  void items(std::string_view open, const std::vector<Value>& values, std::string_view close) {
    append(open);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) append(", ");
      write(values[i]);
    }
    append(close);
  }

  void dict(const std::vector<Entry>& entries) {
    append("{");
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) append(", ");
      write(entries[i].first);
      append(": ");
      write(entries[i].second);
    }
    append("}");
  }

  void name_space(const Namespace& value) {
    append("<Namespace {");
    for (std::size_t i = 0; i < value.attributes.size(); ++i) {
      if (i > 0) append(", ");
      append(string_repr(value.attributes[i].first) + ": ");
      write(value.attributes[i].second);
    }
    append("}>");
  }

  Runtime& runtime_;
  std::string out_;
};

}  // namespace

std::string to_text(Runtime& runtime, const Value& value) {
  if (value.is(Kind::kString)) return value.text();
  if (value.is(Kind::kUndefined)) return "";
  return repr(runtime, value);
}

std::string repr(Runtime& runtime, const Value& value) {
  Writer writer(runtime);
  writer.write(value);
  return writer.take();
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = shortest.find('e');
  const int exponent = std::stoi(std::string(shortest.substr(e + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string result(buffer, fixed);
  return result.find('.') == std::string::npos ? result + ".0" : result;
}

}  // namespace emend::text::jinja
