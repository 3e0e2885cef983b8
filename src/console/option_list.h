// The options of one command, each bound to what it fills.
#pragma once

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "console/options.h"

namespace emend {

// Whether a command needs an option, and what it does with the paths that the option names: the frame of the
// command keeps outputs apart by it.
enum class Use : unsigned {
  kNone = 0,
  kNeeded = 1,
  kReads = 2,          // a file, or a folder with all that is in it
  kFolder = 4,         // a folder whose .safetensors files are read or written
  kWrites = 8,         // what the command is for: a patch, a file of labels
  kWritesFolder = 16,  // the same as a folder
  kPage = 32,          // shows what was done: a report, a picture
};
constexpr Use operator|(Use a, Use b) {
  return static_cast<Use>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has_use(Use uses, Use use) {
  return (static_cast<unsigned>(uses) & static_cast<unsigned>(use)) != 0;
}

// Takes options in the order in which the help lists them. What a variable holds when it is bound is the
// default that the help tells; an empty text stands for none. A text is a std::string or a path. The
// variables must outlive the list.
class OptionList {
 public:
  using Texts = std::vector<std::string>;
  struct Bound {
    std::string name;
    std::function<Texts()> texts;  // what was given; numbers have none
    Use uses = Use::kNone;
  };
  using Take = std::function<void(const std::string&)>;

  OptionList(Syntax& syntax, CommonOptions& common) : syntax_(syntax), common_(common) {}
  OptionList(const OptionList&) = delete;
  OptionList& operator=(const OptionList&) = delete;

  template <typename Text>
  OptionList& text(const char* name, Text& value, const char* value_name, const char* help,
                   Use uses = Use::kNone) {
    const std::filesystem::path standard = value;
    return one(
               name, value_name, help, [&value](const std::string& given) { value = given; },
               standard.string())
        .bind([&value] { return std::filesystem::path(value).empty() ? Texts{} : list({value}); }, value_name,
              uses);
  }
  // A text that `take` reads; it may throw. `standard`: the default, which is taken, too; empty: none.
  OptionList& value(const char* name, const char* value_name, const char* help, Take take,
                    const std::string& standard = "") {
    return one(name, value_name, help, std::move(take), standard);
  }
  // Several values behind the name, which may be given again.
  template <typename Text>
  OptionList& texts(const char* name, std::vector<Text>& values, const char* value_name, const char* help,
                    Use uses = Use::kNone) {
    return several(name, value_name, help, true, values, uses);
  }
  // One value behind the name, which may be given again.
  template <typename Text>
  OptionList& repeated(const char* name, std::vector<Text>& values, const char* value_name, const char* help,
                       Use uses = Use::kNone) {
    return several(name, value_name, help, false, values, uses);
  }
  OptionList& flag(const char* name, bool& value, const char* help);
  // A flag that makes the value false.
  OptionList& without(const char* name, bool& value, const char* help);

  // A number; std::optional has no default.
  template <typename Number>
  OptionList& number(const char* name, Number& value, const char* value_name, const char* help) {
    auto* const semantic = boost::program_options::value(&value);
    if constexpr (std::is_floating_point_v<Number>)
      return add(name, value_name, semantic->default_value(value, fmt::format("{}", value)), help);
    else
      return add(name, value_name, semantic->default_value(value), help);
  }
  template <typename Number>
  OptionList& number(const char* name, std::optional<Number>& value, const char* value_name,
                     const char* help) {
    auto* const semantic = boost::program_options::value<Number>();
    return add(name, value_name, semantic->notifier([&value](Number number) { value = number; }), help);
  }
  // A whole number from `least` to `most`.
  template <typename Number>
  OptionList& from(std::int64_t least, const char* name, Number& value, const char* value_name,
                   const char* help, std::int64_t most = std::numeric_limits<Number>::max()) {
    return whole(name, value_name, help, {least, most, value},
                 [&value](std::int64_t given) { value = static_cast<Number>(given); });
  }
  OptionList& from(std::int64_t least, const char* name, std::optional<std::int64_t>& value,
                   const char* value_name, const char* help);
  // The same from 1 on; 0 is no default but stands for an option that is not given.
  template <typename Number>
  OptionList& count(const char* name, Number& value, const char* value_name, const char* help,
                    std::int64_t most = std::numeric_limits<Number>::max()) {
    return from(1, name, value, value_name, help, most);
  }

  // What stands without a name: one text, or up to `most` (-1: any number). `name` is how the parser calls
  // it, `missing` how a message does; empty: it is not needed.
  template <typename Text>
  OptionList& argument(const char* name, Text& value, const std::string& missing, Use uses = Use::kNone) {
    return as_argument(name, 1).text(name, value, "", "", uses).need(missing);
  }
  template <typename Text>
  OptionList& arguments(const char* name, std::vector<Text>& values, int most, const std::string& missing,
                        Use uses = Use::kNone) {
    return as_argument(name, most).repeated(name, values, "", "", uses).need(missing);
  }

  // Options that several commands have.
  OptionList& patches(std::vector<std::filesystem::path>& values,
                      const char* help = "the patches, in the order in which they stack");
  OptionList& index(std::filesystem::path& value);
  OptionList& report(const char* help = "write an HTML page");
  OptionList& junit(const char* help);
  // The model as the argument or as --model.
  OptionList& model_argument(const char* name);

  // --model is needed.
  OptionList& needs_model();
  // What the parsing cannot see. All checks, also of what is needed, run in the order in which they are
  // named.
  OptionList& check(std::function<void()> check);

  // A check: refuses each of these options, common ones too, that is given while `there` says that what it
  // belongs to is not: "--context changes nothing without --write-base FILE".
  OptionList& only_with(std::string what, std::vector<std::string> names, std::function<bool()> there);

  // Behind the parsing. Throws what the checks throw, Error(kUsage) for what is needed and missing.
  void run_checks() const;
  const std::vector<Bound>& bound() const { return bound_; }

  std::string report_file, junit_file;  // what report() and junit() fill; empty: not asked for

 private:
  struct WholeNumbers {
    std::int64_t least, most;
    std::optional<std::int64_t> standard;
  };

  static Texts list(const std::vector<std::filesystem::path>& paths);
  template <typename Text>
  OptionList& several(const char* name, const char* value_name, const char* help, bool several_at_once,
                      std::vector<Text>& values, Use uses) {
    const auto take = [&values](const Texts& given) { values.assign(given.begin(), given.end()); };
    return many(name, value_name, help, several_at_once, take)
        .bind(
            [&values] {
              return list({values.begin(), values.end()});
            },
            value_name, uses);
  }
  template <typename Value>
  OptionList& add(const char* name, const char* value_name,
                  boost::program_options::typed_value<Value>* semantic, const char* help) {
    semantic->value_name(value_name);
    return add_semantic(name, semantic, help);
  }
  OptionList& one(const char* name, const char* value_name, const char* help, Take take,
                  const std::string& standard);
  OptionList& many(const char* name, const char* value_name, const char* help, bool several_at_once,
                   std::function<void(const Texts&)> take);
  OptionList& whole(const char* name, const char* value_name, const char* help, const WholeNumbers& allowed,
                    std::function<void(std::int64_t)> take);
  OptionList& add_semantic(const char* name, const boost::program_options::value_semantic* semantic,
                           const char* help);
  // Of the option that was added last.
  OptionList& bind(std::function<Texts()> texts, const char* value_name, Use uses);
  OptionList& need(const std::string& missing);
  OptionList& as_argument(const char* name, int most);

  Syntax& syntax_;
  CommonOptions& common_;
  std::string model_;  // what model_argument() fills
  std::vector<Bound> bound_;
  std::vector<std::function<void()>> checks_;
};

}  // namespace emend
