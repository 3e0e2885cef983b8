#include "text/jinja/globals.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "text/jinja/arguments.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace emend::text::jinja {
namespace {

constexpr std::int64_t kLongestRange = 100'000;  // the limit of Jinja2's sandbox

Value range(Runtime& runtime, const Arguments& arguments) {
  if (!arguments.named.empty()) throw Fault{"range takes no named arguments"};
  const Bound bound = bind("range", arguments, {"start", "stop", "step"}, 1);
  const bool one = !bound[1];
  const std::int64_t start = one ? 0 : require_int("range", *bound[0]);
  const std::int64_t stop = require_int("range", one ? *bound[0] : *bound[1]);
  const std::int64_t step = bound[2] ? require_int("range", *bound[2]) : 1;
  if (step == 0) throw Fault{"range: the step cannot be 0"};
  const double count = (static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step);
  if (count > static_cast<double>(kLongestRange))
    throw Fault{fmt::format("range gives more than {} numbers", kLongestRange)};
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    runtime.step();
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  std::string repr = step == 1 ? fmt::format("range({}, {})", start, stop)
                               : fmt::format("range({}, {}, {})", start, stop, step);
  return Value::sequence(Kind::kRange, std::move(items), std::move(repr));
}

void put(Runtime& runtime, std::vector<Entry>& entries, const Value& key, const Value& value) {
  require_hashable(key);
  for (Entry& entry : entries) {
    if (!equal(runtime, entry.first, key)) continue;
    entry.second = value;
    return;
  }
  entries.emplace_back(key, value);
}

// The entries of dict(a dict or pairs, name=value, ...).
std::vector<Entry> entries_of(Runtime& runtime, std::string_view function, const Arguments& arguments) {
  if (arguments.positional.size() > 1)
    throw Fault{fmt::format("{} takes at most one argument without a name", function)};
  std::vector<Entry> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kDict)) {
      entries = source.entries();
    } else {
      for (const Value& pair : iterate(runtime, source)) {
        const std::vector<Value> parts = iterate(runtime, pair);
        if (parts.size() != 2)
          throw Fault{fmt::format("{} needs pairs, found {} items", function, parts.size())};
        put(runtime, entries, parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) put(runtime, entries, name, value);
  return entries;
}

Value dict(Runtime& runtime, const Arguments& arguments) {
  return Value::dict(entries_of(runtime, "dict", arguments));
}

Value name_space(Runtime& runtime, const Arguments& arguments) {
  Namespace* result = runtime.make_namespace();
  for (auto& [key, value] : entries_of(runtime, "namespace", arguments)) {
    const std::string& name = require_text("namespace", key);
    if (name.starts_with("_"))
      throw Fault{fmt::format("a namespace cannot hold '{}': it begins with _", name)};
    result->attributes.emplace_back(name, std::move(value));
  }
  return result;
}

Value raise_exception(Runtime& runtime, const Arguments& arguments) {
  const Bound bound = bind("raise_exception", arguments, {"message"}, 1);
  throw Fault{"the template refuses this conversation: " + to_text(runtime, *bound[0])};
}

std::tm as_tm(const Moment& moment) {
  std::tm time{};
  time.tm_year = moment.year - 1900;
  time.tm_mon = moment.month - 1;
  time.tm_mday = moment.day;
  time.tm_hour = moment.hour;
  time.tm_min = moment.minute;
  time.tm_sec = moment.second;
  timegm(&time);  // fills in the day of the week and of the year
  return time;
}

Value strftime_now(Runtime& runtime, const Arguments& arguments) {
  const Bound bound = bind("strftime_now", arguments, {"format"}, 1);
  const std::string& format = require_text("strftime_now", *bound[0]);
  const std::tm time = as_tm(runtime.now());
  std::string result;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      runtime.append(result, std::string_view(format).substr(i, 1));
      continue;
    }
    std::string directive = "%";
    if (i + 1 < format.size() && format[i + 1] == '-') directive += format[++i];
    const char letter = i + 1 < format.size() ? format[++i] : '\0';
    if (std::string_view("aAbBdejmyYHIMSpuwUWVGgCDFTRrhxXc%").find(letter) == std::string_view::npos ||
        letter == '\0')
      throw Fault{
          fmt::format("strftime_now: the directive '{}' is not supported by emend", directive + letter)};
    directive += letter;
    std::array<char, 128> buffer{};
    const std::size_t size = std::strftime(buffer.data(), buffer.size(), directive.c_str(), &time);
    runtime.append(result, std::string_view(buffer.data(), size));
  }
  return result;
}

using GlobalFunction = Value (*)(Runtime&, const Arguments&);

struct NamedGlobal {
  std::string_view name;
  GlobalFunction call;
};

constexpr std::array kGlobals = std::to_array<NamedGlobal>({
    {"dict", dict},
    {"namespace", name_space},
    {"raise_exception", raise_exception},
    {"range", range},
    {"strftime_now", strftime_now},
});

constexpr std::array<std::string_view, 3> kOthersOfJinja = {"cycler", "joiner", "lipsum"};

}  // namespace

std::optional<Value> find_global(std::string_view name) {
  for (const NamedGlobal& global : kGlobals)
    if (global.name == name) return Value::callable(std::string(name), global.call);
  for (const std::string_view other : kOthersOfJinja)
    if (other == name)
      return Value::callable(std::string(name), [other](Runtime&, const Arguments&) -> Value {
        throw Fault{fmt::format("the function '{}' is not supported by emend", other)};
      });
  return std::nullopt;
}

}  // namespace emend::text::jinja
