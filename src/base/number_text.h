// Numbers that people write in options.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace emend {

// Digits alone, `most_digits` of them at most (18 or fewer): "042" is 42. std::nullopt for all else.
std::optional<std::int64_t> whole_number(std::string_view text, std::size_t most_digits = 12);

// "4G", "500MB", "1.5GiB", "1000000": bytes; K, M, G, T count in thousands, with i in 1024s. std::nullopt for
// what is no such size, not above 0, or above 1e17.
std::optional<std::int64_t> byte_count(std::string_view text);

}  // namespace emend
