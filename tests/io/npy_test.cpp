#include "io/npy.h"

#include <gmock/gmock.h>

#include "tests/base/expect_error.h"
#include "tests/support/npz_builder.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using test::bytes_of;
using test::floats;
using test::npy;

std::string refusal(const std::string& bytes) {
  return test::error_of(ErrorKind::kFormat, [&] { parse_npy(bytes, "a.npy"); });
}

TEST(Npy, ReadsEitherFormatOfTheHeader) {
  const std::string first = npy("<f4", "3,", floats({1, 2, 3}));
  std::string second = first;
  second[6] = 2;  // its length takes four bytes
  second.insert(10, std::string(2, '\0'));
  for (const std::string& bytes : {first, second}) {
    const NpyArray array = parse_npy(bytes, "a.npy");
    EXPECT_EQ(array.type, "<f4");
    EXPECT_THAT(array.shape, ElementsAre(3));
    EXPECT_FALSE(array.column_major);
    EXPECT_THAT(npy_numbers(array, "a.npy"), ElementsAre(1, 2, 3));
  }
}

TEST(Npy, WidensAllTypesOfNumbers) {
  const auto numbers = [](const std::string& type, const std::string& bytes) {
    return npy_numbers(parse_npy(npy(type, "1,", bytes), "a.npy"), "a.npy");
  };
  EXPECT_THAT(numbers("<f8", bytes_of(0.1)), ElementsAre(0.1));
  EXPECT_THAT(numbers("<f4", bytes_of(0.5F)), ElementsAre(0.5));
  EXPECT_THAT(numbers("<i4", bytes_of(std::int32_t{-7})), ElementsAre(-7));
  EXPECT_THAT(numbers("<i8", bytes_of(std::int64_t{44})), ElementsAre(44));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { numbers(">f8", bytes_of(0.1)); }), HasSubstr(">f8"));
}

TEST(Npy, RefusesWhatIsNotAnArrayByName) {
  const std::string one = bytes_of(1.0);
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("a.npy"), HasSubstr("this is not a .npy array")));
  EXPECT_THAT(refusal("\x93NUMPX and more than that"), HasSubstr("this is not a .npy array"));
  EXPECT_THAT(refusal(npy("<f8", "1,", one).substr(0, 40)), HasSubstr("a.npy: ends at byte 40"));
  EXPECT_THAT(refusal(npy("<f8", "2,", one)), HasSubstr("shorter than its shape says"));
  EXPECT_THAT(refusal(npy("<f8", "99999999999999999999999,", one)), HasSubstr("shape"));
  EXPECT_THAT(refusal(npy("O", "1,", one)), HasSubstr("\"O\""));
}

TEST(Npy, EveryPrefixIsRefused) {
  const std::string whole = npy("<f4", "2,", floats({1, 2}));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
}

}  // namespace
}  // namespace emend
