// One folder, one run, one number of parts.
#include "eval/shards.h"

#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Shards, PartsOfOneRunStandInOneFolder) {
  const test::TempFolder folder;
  const auto out = folder / "out";
  require_same_parts(out, 3, {out});  // nothing is there yet
  folder.write("out/shard-1-of-3/run.json", "{}");
  folder.write("out/shard-x-of-2/note", "");
  folder.write("out/my-shard-0-of-2/note", "");
  require_same_parts(out, 3, {out});
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { require_same_parts(out, 2, {out}); }),
              AllOf(HasSubstr("holds shard-1-of-3, of a run in 3 parts, and this one is in 2 parts"),
                    HasSubstr("option resume"), HasSubstr("option out")));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { require_same_parts(out, 1, {out}); }),
              HasSubstr("and this one is in one"));
}

TEST(Shards, DoNotTakeThePlaceOfAWholeRun) {
  const test::TempFolder folder;
  folder.write("out/rome/run.json", "{}");
  const auto out = folder / "out";
  require_same_parts(out, 1, {out / "memit", out / "rome"});
  require_same_parts(out, 2, {out / "memit"});
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               require_same_parts(out, 2, {out / "memit", out / "rome"});
                             }),
              HasSubstr("rome holds a run that is not in parts, and this one is in 2 parts"));
}

TEST(Shards, DoNotTakeThePlaceOfFilesThatAreNotARuns) {
  const test::TempFolder folder;
  const auto out = folder / "out";
  folder.write("out/summary.json", "{}");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { require_same_parts(out, 2, {out}); }),
              HasSubstr("holds summary.json without run.json: not a run of this program"));
  require_same_parts(out, 2, {out / "memit"});
  folder.write("many/report.html", "");
  folder.write("many/rome/run.json", "{}");
  folder.write("many/ft/run.json", "{}");
  const auto many = folder / "many";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { require_same_parts(many, 2, {many}); }),
              HasSubstr("holds report.html without run.json: the runs are in folders inside (ft, rome)"));
  folder.write("out/shard-0-of-2/run.json", "{}");  // now it is what the parts were joined into
  require_same_parts(out, 2, {out});
}

}  // namespace
}  // namespace emend
