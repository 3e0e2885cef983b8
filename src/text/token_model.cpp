#include "text/token_model.h"

#include <array>
#include <bit>

namespace emend::text {

namespace {
constexpr std::size_t kPortion = std::size_t{1} << 16;  // bytes that are hashed at a time
}

void FieldWriter::flush() {
  hash_.update(waiting_);
  waiting_.clear();
}

void FieldWriter::append(std::string_view bytes) {
  waiting_.append(bytes);
  if (waiting_.size() >= kPortion) flush();
}

void FieldWriter::number(std::int64_t value) {
  std::array<char, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  append({bytes.data(), bytes.size()});
}

void FieldWriter::decimal(double value) {
  number(std::bit_cast<std::int64_t>(value));
}

void FieldWriter::text(std::string_view value) {
  number(static_cast<std::int64_t>(value.size()));
  append(value);
}

void FieldWriter::numbers(const std::vector<std::int64_t>& values) {
  number(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) number(value);
}

std::string FieldWriter::sha256() {
  flush();
  return hash_.hex();
}

}  // namespace emend::text
