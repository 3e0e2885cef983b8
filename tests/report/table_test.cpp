#include "report/table.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace emend {
namespace {

Table cities() {
  Table table({{"id"}, {"city", Align::kLeft, 4}, {"p", Align::kRight}});
  table.add_row({"eiffel", "Rome", "0.973"});
  table.add_row({"a", "東京 and its surroundings", "1"});
  return table;
}

TEST(Table, AlignsColumnsByWidth) {
  EXPECT_EQ(cities().text(0),
            "id      city                           p\n"
            "------  -------------------------  -----\n"
            "eiffel  Rome                       0.973\n"
            "a       東京 and its surroundings      1\n");
}

TEST(Table, CutsOnlyWhatMayBeCut) {
  EXPECT_EQ(cities().text(24),
            "id      city           p\n"
            "------  ---------  -----\n"
            "eiffel  Rome       0.973\n"
            "a       東京 and…      1\n");
}

TEST(Table, StopsCuttingAtTheLeastWidth) {
  EXPECT_EQ(cities().text(5),
            "id      city      p\n"
            "------  ----  -----\n"
            "eiffel  Rome  0.973\n"
            "a       東…       1\n");
}

TEST(Table, IndentsEveryLineWithinTheWidth) {
  Table table({{"x", Align::kLeft, 2}});
  table.add_row({"abcdef"});
  EXPECT_EQ(table.text(6, 2), "  x\n  ----\n  abc…\n");
}

TEST(Table, MakesCellsSafeToPrint) {
  Table table({{"x"}, {"y"}});
  table.add_row({"a\nb"});
  EXPECT_EQ(table.text(0), "x     y\n----  -\na\\nb\n");
}

TEST(Table, RefusesTooManyCells) {
  Table table({{"x"}});
  EXPECT_TRUE(table.empty());
  EXPECT_THROW(table.add_row({"a", "b"}), std::invalid_argument);
}

}  // namespace
}  // namespace emend
