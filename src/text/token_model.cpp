#include "text/token_model.h"

#include <bit>

#include "base/fingerprint.h"

namespace emend::text {

void FieldWriter::number(std::int64_t value) {
  for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(value >> shift));
}

void FieldWriter::decimal(double value) {
  number(std::bit_cast<std::int64_t>(value));
}

void FieldWriter::text(std::string_view value) {
  number(static_cast<std::int64_t>(value.size()));
  bytes_.append(value);
}

void FieldWriter::numbers(const std::vector<std::int64_t>& values) {
  number(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) number(value);
}

std::string FieldWriter::sha256() const {
  return sha256_hex(bytes_);
}

}  // namespace emend::text
