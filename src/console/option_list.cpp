#include "console/option_list.h"

#include <algorithm>
#include <utility>

#include "emend/error.h"

namespace emend {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

}  // namespace

OptionList& OptionList::add_semantic(const char* name, const po::value_semantic* semantic, const char* help) {
  syntax_.own.add_options()(name, semantic, help);
  bound_.push_back({name, [] { return Texts(); }});
  return *this;
}

OptionList& OptionList::one(const char* name, const char* value_name, const char* help, Take take,
                            const std::string& standard) {
  auto* const semantic = po::value<std::string>()->notifier(std::move(take));
  if (!standard.empty()) semantic->default_value(standard);
  return add(name, value_name, semantic, help);
}

OptionList& OptionList::many(const char* name, const char* value_name, const char* help, bool several_at_once,
                             std::function<void(const Texts&)> take) {
  auto* const semantic = po::value<Texts>()->composing()->notifier(std::move(take));
  return add(name, value_name, several_at_once ? semantic->multitoken() : semantic, help);
}

OptionList& OptionList::whole(const char* name, const char* value_name, const char* help,
                              const WholeNumbers& allowed, std::function<void(std::int64_t)> take) {
  auto* const semantic = po::value<std::int64_t>();
  if (allowed.standard && *allowed.standard >= allowed.least) semantic->default_value(*allowed.standard);
  semantic->notifier([=, option = std::string(name)](std::int64_t given) {
    require_at_least(option, given, allowed.least);
    if (given > allowed.most)
      throw Error(ErrorKind::kUsage,
                  fmt::format("--{} must be at most {}, found {}", option, allowed.most, given));
    take(given);
  });
  return add(name, value_name, semantic, help);
}

OptionList& OptionList::bind(std::function<Texts()> texts, const char* value_name, Use uses) {
  bound_.back().texts = std::move(texts);
  bound_.back().uses = uses;
  return has_use(uses, Use::kNeeded) ? need(fmt::format("--{} {}", bound_.back().name, value_name)) : *this;
}

OptionList& OptionList::need(const std::string& missing) {
  if (missing.empty()) return *this;
  return check([this, missing, texts = bound_.back().texts] {
    require_given(!texts().empty(), syntax_.command, missing);
  });
}

OptionList::Texts OptionList::list(const std::vector<std::filesystem::path>& paths) {
  Texts texts;
  for (const std::filesystem::path& path : paths) texts.push_back(path.string());
  return texts;
}

OptionList& OptionList::flag(const char* name, bool& value, const char* help) {
  return add_semantic(name, po::bool_switch(&value), help);
}

OptionList& OptionList::without(const char* name, bool& value, const char* help) {
  auto* const semantic = po::bool_switch()->notifier([&value](bool given) { value = value && !given; });
  return add_semantic(name, semantic, help);
}

OptionList& OptionList::from(std::int64_t least, const char* name, std::optional<std::int64_t>& value,
                             const char* value_name, const char* help) {
  return whole(name, value_name, help, {least, kNoLimit, std::nullopt},
               [&value](std::int64_t given) { value = given; });
}

OptionList& OptionList::as_argument(const char* name, int most) {
  syntax_.positional = name;
  syntax_.positionals = most;
  return *this;
}

OptionList& OptionList::patches(std::vector<std::filesystem::path>& values, const char* help) {
  return texts("patch", values, "FILE", help, Use::kReads | Use::kNeeded);
}

OptionList& OptionList::index(std::filesystem::path& value) {
  return text("index", value, "INDEX", "folder that emend memories scan wrote", Use::kFolder | Use::kNeeded);
}

OptionList& OptionList::report(const char* help) {
  return text("report", report_file, "FILE", help, Use::kPage);
}

OptionList& OptionList::junit(const char* help) {
  return text("junit", junit_file, "FILE", help, Use::kPage);
}

OptionList& OptionList::model_argument(const char* name) {
  return argument(name, model_, "").check([this] {
    common_.model = std::string(only_model(syntax_.command, model_, common_.model));
  });
}

OptionList& OptionList::needs_model() {
  return check([this] { require_given(!common_.model.empty(), syntax_.command, "--model PATH"); });
}

OptionList& OptionList::check(std::function<void()> check) {
  checks_.push_back(std::move(check));
  return *this;
}

OptionList& OptionList::only_with(std::string what, std::vector<std::string> names,
                                  std::function<bool()> there) {
  return check([this, what = std::move(what), names = std::move(names), there = std::move(there)] {
    if (there()) return;
    for (const std::string& name : names)
      if (std::find(common_.given.begin(), common_.given.end(), name) != common_.given.end())
        throw Error(ErrorKind::kUsage,
                    fmt::format("{}: --{} changes nothing without {}", syntax_.command, name, what));
  });
}

void OptionList::run_checks() const {
  for (const auto& check : checks_) check();
}

}  // namespace emend
