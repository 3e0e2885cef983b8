#include "emend/memory_id.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "base/layer_number.h"
#include "emend/error.h"
#include "emend/model.h"

namespace emend {

std::string to_string(MemoryId memory) {
  return fmt::format("L{}D{}", memory.layer, memory.index);
}

MemoryId parse_memory_id(std::string_view text) {
  const auto read_number = [](std::string_view& rest, char letter, int& number) {
    if (rest.empty() || rest.front() != letter) return false;
    rest.remove_prefix(1);
    if (rest.empty() || rest.front() == '-') return false;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc()) return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return true;
  };
  MemoryId memory;
  std::string_view rest = text;
  if (!read_number(rest, 'L', memory.layer) || !read_number(rest, 'D', memory.index) || !rest.empty())
    throw Error(
        ErrorKind::kUsage,
        fmt::format("'{}' is no address of a memory: it is written L12D771, layer 12 and cell 771, both "
                    "counted from 0",
                    text));
  return memory;
}

void require_memory(const ModelConfig& config, MemoryId memory) {
  require_layer(to_string(memory), memory.layer, config.layers);
  if (memory.index < 0 || memory.index >= config.d_ff)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: there is no such cell: layer {} has {} of them, D0 to D{}",
                            to_string(memory), memory.layer, config.d_ff, config.d_ff - 1));
}

}  // namespace emend
