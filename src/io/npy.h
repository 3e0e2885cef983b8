// NumPy arrays (.npy).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// One array as its file has it.
struct NpyArray {
  std::string type;                 // NumPy's descr: "<f4", "<f8", "<i8", "|S10", "<U12"
  std::vector<std::int64_t> shape;  // empty for a scalar
  bool column_major = false;        // fortran_order
  std::string bytes;                // of the elements
};

// Format 1.0 to 3.0. Throws Error(kFormat) naming `where` for anything else, for a header that does not fit
// the size of the elements, and for arrays of Python objects.
NpyArray parse_npy(std::string_view bytes, const std::string& where);

// The elements of <f4, <f8, <i4 or <i8, row-major. Throws Error(kFormat) naming `where` for other types.
std::vector<double> npy_numbers(const NpyArray& array, const std::string& where);

}  // namespace emend
