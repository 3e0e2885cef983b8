#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/element_types.h"

namespace emend {
namespace {

// Below this many elements a thread costs more than it saves.
constexpr std::size_t kLeastElementsPerThread = std::size_t{1} << 17;

// Runs work(begin, end) over parts of [0, count), the first part on this thread. `work` must not throw. Where
// the system gives no thread, this one does its part.
template <typename Work>
void in_parallel(std::size_t count, std::size_t parts, const Work& work) {
  std::vector<std::jthread> threads;
  threads.reserve(parts);
  for (std::size_t part = 1; part < parts; ++part) {
    const std::size_t begin = count * part / parts, end = count * (part + 1) / parts;
    try {
      threads.emplace_back([&work, begin, end] { work(begin, end); });
    } catch (const std::system_error&) {
      work(begin, end);
    }
  }
  work(0, count / parts);
}

}  // namespace

void read_as_float32(const TensorFile& file, const TensorInfo& tensor, std::span<float> out, int threads) {
  if (tensor.type->read == nullptr) {
    throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {} has the {}", tensor.file.string(),
                                                quote(tensor.name), unreadable_type_text(*tensor.type)));
  }
  const auto bytes = file.bytes(tensor);
  const ElementType& type = *tensor.type;
  const std::size_t blocks = bytes.size() / type.block_bytes;
  if (out.size() != blocks * type.block_elements) {
    throw std::invalid_argument(fmt::format("read_as_float32: room for {} floats, but {} has {}", out.size(),
                                            quote(tensor.name), tensor.elements()));
  }
  const std::size_t most = std::max<std::size_t>(out.size() / kLeastElementsPerThread, 1);
  const std::size_t parts = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), 1, most);
  in_parallel(blocks, parts, [&](std::size_t begin, std::size_t end) {
    type.read(bytes.data() + begin * type.block_bytes, out.data() + begin * type.block_elements, end - begin);
  });
}

}  // namespace emend
