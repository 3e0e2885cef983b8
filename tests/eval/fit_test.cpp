// Where records are edited together, a neighbour that another of them rewrites is no neighbour.
#include "eval/fit.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

EvalRecord record(const std::string& id, const std::string& subject,
                  const std::vector<std::string>& neighbours) {
  EvalRecord record;
  record.relation = "capital";
  record.request.id = id;
  record.request.subject = subject;
  record.request.prompt = "The capital of " + subject + " is";
  record.request.paraphrases = {subject + " is governed from"};
  for (const std::string& prompt : neighbours) record.request.neighbours.push_back({prompt, "X"});
  return record;
}

std::vector<EvalRecord> records() {
  return {record("a", "Arda", {"The capital of Borg is", "The capital of Zell is", "People of Borg vote in"}),
          record("b", "Borg", {"Arda is governed from", "The capital of Corn is"}),
          record("c", "Corn", {"The capital of Arda is"})};
}

std::vector<std::string> left(const EvalRecord& record) {
  std::vector<std::string> prompts;
  for (const Neighbour& neighbour : record.request.neighbours) prompts.push_back(neighbour.prompt);
  return prompts;
}

TEST(EditedNeighbours, NothingIsDroppedWhereRecordsAreEditedAlone) {
  auto all = records();
  EXPECT_EQ(leave_out_edited_neighbours(all, parse_eval_mode("single")), 0);
  EXPECT_EQ(left(all[0]).size(), 3u);
}

TEST(EditedNeighbours, ASequenceEditsAllRecords) {
  auto all = records();
  EXPECT_EQ(leave_out_edited_neighbours(all, parse_eval_mode("sequential:1")), 5);
  EXPECT_EQ(left(all[0]), std::vector<std::string>{"The capital of Zell is"});
  EXPECT_TRUE(left(all[1]).empty());
  EXPECT_TRUE(left(all[2]).empty());
}

TEST(EditedNeighbours, BatchesStandAlone) {
  auto all = records();
  EXPECT_EQ(leave_out_edited_neighbours(all, parse_eval_mode("batch:2")), 3);
  EXPECT_EQ(left(all[1]), std::vector<std::string>{"The capital of Corn is"});
  EXPECT_EQ(left(all[2]), std::vector<std::string>{"The capital of Arda is"});
}

// A subject of another relation says nothing about the fact.
TEST(EditedNeighbours, OtherRelationsAreOtherFacts) {
  auto all = records();
  all[1].relation = "language";
  leave_out_edited_neighbours(all, parse_eval_mode("sequential:3"));
  EXPECT_EQ(left(all[0]), (std::vector<std::string>{"The capital of Zell is", "People of Borg vote in"}));
}

}  // namespace
}  // namespace emend
