// How fast stored tensors become float32, type by type, beside memcpy of as many bytes: a plain loop that
// unpacks and looks at every element, the readers on one thread, and read_as_float32 on all threads.
//
//   dequantise_bench [MILLION_ELEMENTS] [THREADS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "bench/stopwatch.h"
#include "io/block_format.h"
#include "io/element_types.h"
#include "io/gguf_write.h"

namespace {

using namespace emend;

constexpr std::int64_t kRow = 4096;

std::vector<std::byte> random_blocks(const ElementType& type, std::size_t blocks) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(blocks * type.block_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x3F);  // no scale is infinite
  return bytes;
}

// Element by element through unpacked codes.
void plain_loop(const ElementType& type, const std::byte* from, float* to, std::size_t blocks) {
  BlockScales scales;
  BlockCodes codes;
  for (std::size_t b = 0; b < blocks; ++b, from += type.block_bytes) {
    type.format->unpack(from, scales, codes);
    for (std::size_t i = 0; i < type.block_elements; ++i) *to++ = type.format->value(scales, i, codes[i]);
  }
}

// The least of five runs, as GB of floats a second.
template <typename Work>
double gigabytes_a_second(std::size_t elements, const Work& work) {
  double least = 1e30;
  for (int run = 0; run < 5; ++run) {
    least = std::min(least, bench::seconds_of(work).wall);
  }
  return 4e-9 * static_cast<double>(elements) / least;
}

void measure(const ElementType& type, std::size_t elements, int threads, const std::filesystem::path& path) {
  const std::size_t blocks = elements / type.block_elements;
  const std::vector<std::byte> bytes = random_blocks(type, blocks);
  write_gguf(path, {},
             {{"w", std::string(type.name), {static_cast<std::int64_t>(elements) / kRow, kRow}, bytes}});
  const auto file = open_gguf(path);
  std::vector<float> out(elements), copy(elements);
  const double plain = type.format == nullptr ? 0 : gigabytes_a_second(elements, [&] {
    plain_loop(type, bytes.data(), out.data(), blocks);
  });
  const double one = gigabytes_a_second(elements, [&] { type.read(bytes.data(), out.data(), blocks); });
  const double all =
      gigabytes_a_second(elements, [&] { read_as_float32(*file, file->tensors()[0], out, threads); });
  const double copied =
      gigabytes_a_second(elements, [&] { std::memcpy(copy.data(), out.data(), 4 * elements); });
  std::printf("%-8s %12.2f %12.2f %12.2f %12.2f\n", std::string(type.name).c_str(), plain, one, all, copied);
}

}  // namespace

int main(int argc, char** argv) {
  const auto rows = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 32) * 1'000'000 / kRow;
  const int threads = argc > 2 ? std::atoi(argv[2]) : static_cast<int>(std::thread::hardware_concurrency());
  const auto path = std::filesystem::temp_directory_path() / "emend_dequantise_bench.gguf";
  std::printf("GB of float32 a second\n%-8s %12s %12s %12s %12s\n", "type", "plain loop", "1 thread",
              (std::to_string(threads) + " threads").c_str(), "memcpy");
  for (const ElementType& type : element_types())
    if (type.read != nullptr && type.ggml_id >= 0) measure(type, rows * kRow, threads, path);
  std::filesystem::remove(path);
}
