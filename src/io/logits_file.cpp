#include "io/logits_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "base/files.h"
#include "emend/error.h"
#include "io/byte_reader.h"

namespace emend {
namespace {

constexpr std::string_view kMagic = "_logits_";
constexpr float kDepth = 16;           // nats below the largest log-probability
constexpr float kLargestCode = 65535;  // 16 bits
constexpr std::uint64_t kHeaderBytes = 20, kIdBytes = 4, kScaleBytes = 8, kCodeBytes = 2;

[[noreturn]] void refuse_logits(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}", path.string(), what));
}

LogitsOutline read_outline(ByteReader& reader, const std::filesystem::path& path) {
  const auto magic = reader.take(kMagic.size(), "the first bytes");
  if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
    refuse_logits(
        path,
        "this is no file of llama-perplexity --kl-divergence-base: it does not begin with \"_logits_\"");
  LogitsOutline outline;
  outline.context = reader.read<std::int32_t>("the context");
  outline.vocab = reader.read<std::int32_t>("the size of the vocabulary");
  const std::int64_t chunks = reader.read<std::int32_t>("the number of chunks");
  if (outline.context < kLeastContext || outline.context > kLargestContext || outline.vocab < 2 || chunks < 1)
    refuse_logits(path, fmt::format("sizes that cannot be: context {}, vocabulary {}, chunks {}",
                                    outline.context, outline.vocab, chunks));
  const auto ids =
      reader.take(static_cast<std::uint64_t>(chunks * outline.context) * kIdBytes, "the token ids");
  outline.ids.resize(static_cast<std::size_t>(chunks * outline.context));
  std::memcpy(outline.ids.data(), ids.data(), ids.size());
  return outline;
}

void require_ids(const LogitsOutline& outline, const std::filesystem::path& path) {
  const auto wrong = std::find_if(outline.ids.begin(), outline.ids.end(),
                                  [&](std::int32_t id) { return id < 0 || id >= outline.vocab; });
  if (wrong != outline.ids.end())
    refuse_logits(path, fmt::format("token {} has id {}, outside of the vocabulary of {}",
                                    wrong - outline.ids.begin(), *wrong, outline.vocab));
}

void require_length(const LogitsOutline& outline, std::uint64_t bytes, const std::filesystem::path& path) {
  const std::uint64_t whole = outline.file_bytes();
  if (bytes < whole)
    refuse_logits(
        path,
        fmt::format("the file is cut short: {} of {} bytes; llama-perplexity does not notice a full disk, "
                    "so write it again",
                    bytes, whole));
  if (bytes > whole)
    refuse_logits(
        path, fmt::format("{} bytes, where its context of {}, vocabulary of {} and {} chunks make {}", bytes,
                          outline.context, outline.vocab, outline.chunks(), whole));
}

// The largest float32 of `values`, and the sum of exp(value - largest).
struct LogSum {
  float largest = 0;
  double sum = 0;
};
LogSum log_sum(std::span<const float> values) {
  LogSum result{*std::max_element(values.begin(), values.end()), 0};
  for (const float value : values) result.sum += std::exp(value - result.largest);
  return result;
}

// What is stored are the logarithms of probabilities. Rounding moves their sum by a part in a thousand, and
// each of the many that lie below the least one that is kept adds e^-16 of the largest at most.
template <typename Refuse>
void require_distribution(std::span<const float> logs, const Refuse& refuse) {
  constexpr double kRounding = 0.01;
  double sum = 0;
  for (const float value : logs) sum += std::exp(static_cast<double>(value));
  const double highest =
      1 + kRounding + static_cast<double>(logs.size()) * std::exp(-static_cast<double>(kDepth));
  if (!(sum > 1 - kRounding && sum < highest)) refuse(sum);
}

}  // namespace

std::uint64_t LogitsOutline::position_bytes() const {
  return kScaleBytes + kCodeBytes * static_cast<std::uint64_t>(vocab + vocab % 2);
}

std::uint64_t LogitsOutline::file_bytes() const {
  return kHeaderBytes + kIdBytes * ids.size() +
         static_cast<std::uint64_t>(chunks() * positions()) * position_bytes();
}

LogitsFile::LogitsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  ByteReader reader(file_.bytes(), path.string());
  outline_ = read_outline(reader, path);
  require_ids(outline_, path);
  require_length(outline_, file_.bytes().size(), path);
  first_byte_ = reader.position();
}

void LogitsFile::read(std::int64_t chunk, std::int64_t position, std::span<float> out) const {
  const auto index = static_cast<std::uint64_t>(chunk * outline_.positions() + position);
  const std::byte* at = file_.bytes().data() + first_byte_ + index * outline_.position_bytes();
  float scale = 0, least = 0;
  std::memcpy(&scale, at, sizeof scale);
  std::memcpy(&least, at + sizeof scale, sizeof least);
  if (!std::isfinite(scale) || !std::isfinite(least))
    refuse_logits(path_, fmt::format("chunk {}, position {}: numbers that are not finite", chunk,
                                     outline_.first() + position));
  const std::byte* codes = at + kScaleBytes;
  for (std::size_t t = 0; t < out.size(); ++t) {
    std::uint16_t code = 0;
    std::memcpy(&code, codes + kCodeBytes * t, sizeof code);
    out[t] = scale * static_cast<float>(code) + least;
  }
  require_distribution(out, [&](double sum) {
    refuse_logits(path_, fmt::format("chunk {}, position {}: probabilities that sum to {:.3g}: the file is "
                                     "damaged; write it again",
                                     chunk, outline_.first() + position, sum));
  });
}

LogitsWriter::LogitsWriter(const std::filesystem::path& path, const LogitsOutline& outline)
    : outline_(outline), file_(path), bytes_(outline.position_bytes()) {
  require_space(path, outline.file_bytes());
  file_.write(kMagic);
  for (const std::int64_t size : {outline.context, outline.vocab, outline.chunks()}) {
    const auto number = static_cast<std::int32_t>(size);
    file_.write(std::as_bytes(std::span(&number, 1)));
  }
  file_.write(std::as_bytes(std::span(outline.ids)));
}

void LogitsWriter::add(std::span<const float> logits) {
  if (static_cast<std::int64_t>(logits.size()) != outline_.vocab)
    throw std::invalid_argument("logits file: a row of another vocabulary");
  const LogSum all = log_sum(logits);
  const float log_sum_exp = static_cast<float>(std::log(all.sum));
  const float lowest = std::max(*std::min_element(logits.begin(), logits.end()), all.largest - kDepth);
  const float scale = (all.largest - lowest) / kLargestCode, least = lowest - all.largest - log_sum_exp;
  std::memcpy(bytes_.data(), &scale, sizeof scale);
  std::memcpy(bytes_.data() + sizeof scale, &least, sizeof least);
  std::byte* codes = bytes_.data() + kScaleBytes;
  for (std::size_t t = 0; t < logits.size(); ++t) {
    const bool stored = scale > 0 && logits[t] > lowest;
    const auto code = static_cast<std::uint16_t>(
        stored ? std::min(kLargestCode, std::nearbyint((logits[t] - lowest) / scale)) : 0.0F);
    std::memcpy(codes + kCodeBytes * t, &code, sizeof code);
  }
  file_.write(bytes_);
}

void LogitsWriter::commit() {
  if (file_.written() != outline_.file_bytes())
    throw std::logic_error("logits file: not all positions were added");
  file_.commit();
}

}  // namespace emend
