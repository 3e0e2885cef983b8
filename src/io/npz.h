// NumPy archives (.npz): a zip file of arrays, stored or deflated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace emend {

// One array of the archive as its .npy file has it.
struct NpyArray {
  std::string type;                 // NumPy's descr: "<f4", "<f8", "<i8", "|S10", "<U12"
  std::vector<std::int64_t> shape;  // empty for a scalar
  bool column_major = false;        // fortran_order
  std::string bytes;                // of the elements
};

// All arrays by name, without ".npy". Every offset and size is checked against the file before it is used.
// Throws Error: kIo, kFormat naming file and entry (not a zip, encrypted, another compression, damaged data or a wrong CRC-32,
// a header that does not make its size, objects).
std::map<std::string, NpyArray> read_npz(const std::filesystem::path& file);

// The elements of <f4, <f8, <i4 or <i8, row-major. Throws Error(kFormat) naming `where` for other types.
std::vector<double> npy_numbers(const NpyArray& array, const std::string& where);

}  // namespace emend
