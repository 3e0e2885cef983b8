// The sweep of memories by kernels on a GPU finds what the sweep of the CPU finds, table by table.
#include "cuda/cuda_fixture.h"
#include "memories/kernel_sweep.h"
#include "memories/same_states.h"

namespace emend {
namespace {

using test::Numbers;

using Sweep = test::Cuda;

TEST_F(Sweep, FindsWhatTheSweepOfTheCpuFinds) {
  for (const bool gated : {false, true})
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const std::int64_t cells : {70, 71, 1000}) {
        SCOPED_TRACE(testing::Message() << c10::toString(type) << ", " << cells << " cells, gated " << gated);
        std::string why;
        const StateShape shape = test::shape_for(cells, gated, Dedup::kWindow);
        ASSERT_TRUE(KernelSweep::can_take(shape, type, at::kCUDA, &why)) << why;
        Numbers wide = test::some_numbers(cells, gated, 600), there = wide;
        for (at::Tensor Numbers::*scores : {&Numbers::key, &Numbers::gate, &Numbers::up}) {
          const at::Tensor rounded = (wide.*scores).to(type);
          wide.*scores = rounded.to(at::kFloat);
          there.*scores = rounded.to(at::kCUDA);
        }
        const ScanDraw draw(5, 2, 1);
        LayerState state(shape);
        KernelSweep sweep(draw, false);
        for (const auto& [begin, end] : test::cut_portions(there, 700)) {
          sweep.take(test::portion_of(there, gated, begin, end), state);
          if (begin == 0) sweep.fetch(state);
        }
        EXPECT_FALSE(sweep.find_bad());
        sweep.fetch(state);
        test::expect_same(state, test::by_the_cpu(wide, shape, draw, false, 64));
      }
}

TEST_F(Sweep, ACoefficientThatIsNoNumberIsFound) {
  const StateShape shape = test::shape_for(70, false, Dedup::kWindow);
  std::string why;
  ASSERT_TRUE(KernelSweep::can_take(shape, at::kFloat, at::kCUDA, &why)) << why;
  Numbers all = test::some_numbers(70, false);
  all.key[11][66] = NAN;
  all.key = all.key.to(at::kCUDA);
  LayerState state(shape);
  KernelSweep sweep(ScanDraw(0, 0), true);
  sweep.take(test::portion_of(all, false, 0, all.tokens.size()), state);
  const auto found = sweep.find_bad();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, all.tokens[11].address);
  EXPECT_EQ(found->cell, 66);
}

}  // namespace
}  // namespace emend
