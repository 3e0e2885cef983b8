#include "pipeline/run_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "analysis/text_file.h"
#include "base/files.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"

namespace emend {
namespace {

constexpr const char* kFormat = "2";    // 1 had no search that only measures
constexpr const char* kRun = "run.";    // of metadata keys: emend.run.seed
constexpr double kShareOfWriting = 20;  // a write waits for so many times what the last one took

std::string search_name(std::size_t search, const char* part) {
  return fmt::format("search.{}.{}", search, part);
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}; delete the file and begin anew", path.string(), why));
}

FoundValues joined(const std::vector<FoundValues>& portions) {
  if (portions.empty()) return {};
  std::vector<at::Tensor> residuals, numbers;
  for (const FoundValues& portion : portions) {
    residuals.push_back(portion.residuals);
    numbers.push_back(portion.numbers);
  }
  return {at::cat(residuals), at::cat(numbers)};
}

}  // namespace

RunFile::RunFile(std::filesystem::path path, bool resume, double seconds)
    : path_(std::move(path)), seconds_(seconds) {
  const auto wait = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
  next_write_ = began_ + wait;
  require_writable_file(path_);
  if (!std::filesystem::exists(path_)) return;
  if (!resume)
    throw Error(ErrorKind::kConfig,
                fmt::format("{} holds the values of a run that did not end; go on with it by the option "
                            "resume, or delete the file",
                            path_.string()));
  read();
}

RunFile::~RunFile() {
  if (is_written_ || Clock::now() - began_ < std::chrono::duration<double>(seconds_)) return;
  try {
    write();
  } catch (const std::exception&) {
    return;  // the file is as it was
  }
}

void RunFile::read() {
  const std::unique_ptr<TensorFile> file = open_safetensors(path_);
  if (metadata_or(*file, "format", "") != kFormat || metadata_or(*file, "kind", "") != "run")
    refuse(path_, "it is not a run file of this version");
  const std::string begin = std::string("emend.") + kRun;
  for (const auto& [key, value] : file->metadata())
    if (key.starts_with(begin)) stored_identity_[key.substr(begin.size())] = value;
  const std::int64_t searches = metadata_number(*file, "searches");
  for (std::int64_t s = 0; s < searches; ++s) {
    const auto number = static_cast<std::size_t>(s);
    Search search;
    search.values = metadata_number(*file, search_name(number, "values"));
    const FoundValues found{stored_tensor(*file, search_name(number, "residuals"), "F32"),
                            stored_tensor(*file, search_name(number, "numbers"), "F64")};
    if (found.residuals.dim() != 2 || found.numbers.dim() != 2 || found.size() < 1 ||
        found.size() > search.values || found.numbers.size(0) != found.size())
      refuse(path_, fmt::format("its search {} is broken", s));
    search.found = {found};
    searches_.push_back(std::move(search));
  }
  is_stored_ = true;
}

void RunFile::identify(const std::string& what, const std::string& value) {
  identity_[what] = value;
  if (!is_stored_) return;
  const auto there = stored_identity_.find(what);
  if (there != stored_identity_.end() && there->second == value) return;
  const std::string other = there == stored_identity_.end() ? "nothing" : quote(there->second, 80);
  throw Error(
      ErrorKind::kConfig,
      fmt::format("{} is of another run, which differs in the {} ({} there, {} here); go on with that "
                  "one by the option resume, or delete the file",
                  path_.string(), what, other, quote(value, 80)));
}

FoundValues RunFile::begin(std::int64_t values) {
  const std::size_t number = next_++;
  if (number < searches_.size()) {
    const Search& search = searches_[number];
    if (search.values != values)
      refuse(path_,
             fmt::format("its search {} is for {} values, and {} are sought", number, search.values, values));
    FoundValues found = joined(search.found);
    taken_ += found.size();
    return found;
  }
  searches_.push_back({values, {}});
  return {};
}

void RunFile::add(const FoundValues& found) {
  if (found.size() == 0) return;
  searches_.at(next_ - 1).found.push_back(found);
  is_written_ = false;
  write_if_due();
}

void RunFile::write_if_due() {
  const Clock::time_point now = Clock::now();
  if (now < next_write_) return;
  write();
  const Clock::time_point end = Clock::now();
  const auto wait = std::max<std::chrono::duration<double>>(std::chrono::duration<double>(seconds_),
                                                            kShareOfWriting * (end - now));
  next_write_ = end + std::chrono::duration_cast<Clock::duration>(wait);
}

void RunFile::write() {
  FileWriter writer;
  writer.set("format", kFormat);
  writer.set("kind", "run");
  for (const auto& [what, value] : identity_) writer.set(kRun + what, value);
  std::size_t searches = 0;
  for (Search& search : searches_) {
    if (search.found.empty()) break;  // it has begun, and found nothing yet
    search.found = {joined(search.found)};
    writer.set(search_name(searches, "values"), std::to_string(search.values));
    writer.add(search_name(searches, "residuals"), search.found.front().residuals);
    writer.add(search_name(searches, "numbers"), search.found.front().numbers);
    ++searches;
  }
  writer.set("searches", std::to_string(searches));
  writer.write(path_);
  is_written_ = true;
}

}  // namespace emend
